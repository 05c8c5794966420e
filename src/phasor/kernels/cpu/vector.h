/* Vectors of LANES float32, and how each activation dtype gets into and out of them. */
#ifndef PHASOR_VECTOR_H
#define PHASOR_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef double Doubles __attribute__((vector_size(4 * LANES)));

/* Two vectors that follow each other, taken apart into evens and odds, and put together again. */
#if LANES == 16
#define EVENS(a, b) \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODDS(a, b) \
    __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#define LOW_ZIPPED(a, b) \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH_ZIPPED(a, b) \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define EVENS_DOUBLE(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODDS_DOUBLE(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define LOW_ZIPPED_DOUBLE(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_ZIPPED_DOUBLE(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif LANES == 8
#define EVENS(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODDS(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define LOW_ZIPPED(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_ZIPPED(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVENS_DOUBLE(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODDS_DOUBLE(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)
#define LOW_ZIPPED_DOUBLE(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH_ZIPPED_DOUBLE(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#define EVENS(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODDS(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)
#define LOW_ZIPPED(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH_ZIPPED(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EVENS_DOUBLE(a, b) __builtin_shufflevector(a, b, 0, 2)
#define ODDS_DOUBLE(a, b) __builtin_shufflevector(a, b, 1, 3)
#define LOW_ZIPPED_DOUBLE(a, b) __builtin_shufflevector(a, b, 0, 2)
#define HIGH_ZIPPED_DOUBLE(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

static inline float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ---- float32 */

static inline float widen_float(const float *from) { return *from; }
static inline void narrow_float(float *to, float x) { *to = x; }

static inline Floats load_float(const float *from) {
    Floats v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store_float(float *to, Floats v) { memcpy(to, &v, sizeof v); }

/* ---- bfloat16: the upper half of a float32; rounded to nearest, ties to even */

typedef struct { uint16_t bits; } bfloat;

static inline float widen_bfloat(const bfloat *from) {
    return float_of_bits((uint32_t)from->bits << 16);
}

static inline void narrow_bfloat(bfloat *to, float x) {
    const uint32_t bits = bits_of_float(x);
    to->bits = x != x ? 0x7fc0 : (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* Twice LANES of them are as many 32-bit words, each with an even one below an odd one: to take them
   apart so, rather than first from last, moves nothing between lanes. */
static inline Words load_bfloats(const bfloat *from) {
    Words both;
    memcpy(&both, from, sizeof both);
    return both;
}

static inline Floats even_bfloats(Words both) { return (Floats)(both << 16); }
static inline Floats odd_bfloats(Words both) { return (Floats)(both & 0xffff0000); }

/* A NaN needs no care: its last 16 bits are zeros, as those of the bfloat16 it came from are, and
   rounding cannot carry it over into an infinity. */
static inline Words rounded_bfloats(Floats even, Floats odd) {
    const Words low = (Words)even, high = (Words)odd;
    return (low + 0x7fff + ((low >> 16) & 1)) >> 16 |
           ((high + 0x7fff + ((high >> 16) & 1)) & 0xffff0000);
}

static inline void store_bfloats(bfloat *to, Words both) { memcpy(to, &both, sizeof both); }

/* Rounded, and wide again. */
static inline float kept_one_bfloat(float x) {
    bfloat narrow;
    narrow_bfloat(&narrow, x);
    return widen_bfloat(&narrow);
}

static inline Floats kept_bfloat(Floats v) {
    const Words bits = (Words)v;
    return (Floats)((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
}

/* ---- float16 */

typedef struct { uint16_t bits; } half;

static inline float widen_half(const half *from) {
    const uint32_t sign = (uint32_t)(from->bits & 0x8000) << 16, rest = from->bits & 0x7fff;
    if (rest >= 0x7c00) return float_of_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    /* Scaling by a power of two is exact, and makes subnormal numbers normal. */
    const float scaled = float_of_bits(rest << 13) * 0x1p112f;
    return float_of_bits(sign | bits_of_float(scaled));
}

static inline void narrow_half(half *to, float x) {
    const uint32_t bits = bits_of_float(x), sign = (bits >> 16) & 0x8000;
    const float size = float_of_bits(bits & 0x7fffffff);
    uint32_t rest;
    if (x != x) rest = 0x7e00;
    else if (size >= 65520.0f) rest = 0x7c00;
    else if (size < 0x1p-14f) rest = bits_of_float(size + 0.5f) - bits_of_float(0.5f);
    else {
        const uint32_t even = bits_of_float(size) >> 13 & 1;
        rest = (bits_of_float(size) - (112u << 23) + 0xfff + even) >> 13;
    }
    to->bits = (uint16_t)(sign | rest);
}

static inline Floats load_half(const half *from) {
#if LANES == 16
    return (Floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
#elif LANES == 8
    return (Floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#else
    Floats v;
    for (int lane = 0; lane < LANES; lane++) v[lane] = widen_half(from + lane);
    return v;
#endif
}

static inline Halves rounded_half(Floats v) {
#if LANES == 16
    return (Halves)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT);
#elif LANES == 8
    return (Halves)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
#else
    Halves narrow;
    for (int lane = 0; lane < LANES; lane++) {
        half one;
        narrow_half(&one, v[lane]);
        narrow[lane] = one.bits;
    }
    return narrow;
#endif
}

static inline void store_half(half *to, Floats v) {
    const Halves narrow = rounded_half(v);
    memcpy(to, &narrow, sizeof narrow);
}

static inline float kept_one_half(float x) {
    half narrow;
    narrow_half(&narrow, x);
    return widen_half(&narrow);
}

static inline Floats kept_half(Floats v) {
    const Halves narrow = rounded_half(v);
    return load_half((const half *)&narrow);
}

/* ---- float64 */

static inline double widen_double(const double *from) { return *from; }
static inline void narrow_double(double *to, double x) { *to = x; }

static inline Doubles load_double(const double *from) {
    Doubles v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store_double(double *to, Doubles v) { memcpy(to, &v, sizeof v); }

/* ---- stores past the caches, to aligned addresses */

#if LANES == 16
static inline void stream_whole(void *to, __m512i v) { _mm512_stream_si512((__m512i *)to, v); }
static inline void stream_part(void *to, Halves v) { _mm256_stream_si256((__m256i *)to, (__m256i)v); }
#define WHOLE __m512i
#define CAN_STREAM 1
#elif LANES == 8
static inline void stream_whole(void *to, __m256i v) { _mm256_stream_si256((__m256i *)to, v); }
static inline void stream_part(void *to, Halves v) { _mm_stream_si128((__m128i *)to, (__m128i)v); }
#define WHOLE __m256i
#define CAN_STREAM 1
#else
#define CAN_STREAM 0
#endif

#if CAN_STREAM
static inline void stream_float(float *to, Floats v) { stream_whole(to, (WHOLE)v); }
static inline void stream_double(double *to, Doubles v) { stream_whole(to, (WHOLE)v); }
static inline void stream_bfloats(bfloat *to, Words both) { stream_whole(to, (WHOLE)both); }
static inline void stream_half(half *to, Floats v) { stream_part(to, rounded_half(v)); }
static inline void finish_stream(void) { _mm_sfence(); }
#else
#define stream_float store_float
#define stream_double store_double
#define stream_bfloats store_bfloats
#define stream_half store_half
static inline void finish_stream(void) {}
#endif

#endif
