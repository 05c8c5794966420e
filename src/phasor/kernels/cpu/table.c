/* Cosines and sines of a few tokens: exact phase, reduced to an eighth of a turn, Taylor series.

   Compiled without contraction to fused multiply-adds: ROAD_FLOAT32 must round as float32 does. */
#include <math.h>
#include <string.h>

#include "call.h"
#include "vector.h"

#define CHUNK 128 /* pairs at a time: the scratch stays in the first-level cache */

static const double TWO_PI = 6.283185307179586476925286766559;

/* Taylor coefficients. On [-pi/4, pi/4] the first term left out is below a tenth of a rounding. */
#define SERIES_FLOAT(x, sine, cosine)                                                              \
    do {                                                                                           \
        const float z = (x) * (x);                                                                 \
        sine = (x) + (x) * z *                                                                     \
               (-1.0f / 6 + z * (1.0f / 120 + z * (-1.0f / 5040 + z * (1.0f / 362880))));          \
        cosine = 1 + z * (-0.5f + z * (1.0f / 24 + z * (-1.0f / 720 + z * (1.0f / 40320            \
                 + z * (-1.0f / 3628800)))));                                                      \
    } while (0)

#define SERIES_DOUBLE(x, sine, cosine)                                                             \
    do {                                                                                           \
        const double z = (x) * (x);                                                                \
        sine = (x) + (x) * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880   \
               + z * (-1.0 / 39916800 + z * (1.0 / 6227020800.0 + z * (-1.0 / 1307674368000.0      \
               + z * (1.0 / 355687428096000.0))))))));                                             \
        cosine = 1 + z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320                \
                 + z * (-1.0 / 3628800 + z * (1.0 / 479001600 + z * (-1.0 / 87178291200.0          \
                 + z * (1.0 / 20922789888000.0 + z * (-1.0 / 6402373705728000.0)))))))));          \
    } while (0)

/* From sine and cosine of the rest to those of the angle, `quarter` quarter turns further. */
#define TURN_QUARTERS(quarter, sine, cosine, s, c)                                                 \
    do {                                                                                           \
        const int odd = (quarter) & 1;                                                             \
        s = odd ? cosine : sine;                                                                   \
        c = odd ? sine : cosine;                                                                   \
        s = ((quarter) & 2) ? -s : s;                                                              \
        c = (((quarter) + 1) & 2) ? -c : c;                                                        \
    } while (0)

static int64_t integer_position(const Call *call, int64_t at) {
    if (call->position_dtype == POSITION_INT32) return ((const int32_t *)call->positions)[at];
    return ((const int64_t *)call->positions)[at];
}

static double float_position(const Call *call, int64_t at) {
    if (call->position_dtype == POSITION_FLOAT64) return ((const double *)call->positions)[at];
    if (call->position_dtype == POSITION_FLOAT32) return ((const float *)call->positions)[at];
    return (double)integer_position(call, at);
}

/* float32 positions of the float32 road: integers go there in one rounding, not by way of double. */
static float narrow_position(const Call *call, int64_t at) {
    if (call->position_dtype == POSITION_FLOAT64) return (float)((const double *)call->positions)[at];
    if (call->position_dtype == POSITION_FLOAT32) return ((const float *)call->positions)[at];
    return (float)integer_position(call, at);
}

/* Fractions of a turn, 64 bits of them: products wrap around, which drops whole turns exactly. */
static void phases(const Call *call, int64_t at, int64_t first, int n, uint64_t *restrict phase) {
    for (int64_t axis = 0; axis < call->axes; axis++) {
        const uint64_t position = (uint64_t)integer_position(call, at + axis * call->position_axis);
        const uint64_t *restrict turns =
            (const uint64_t *)call->frequencies + axis * call->pairs + first;
        if (axis == 0)
            for (int i = 0; i < n; i++) phase[i] = position * turns[i];
        else if (position)
            for (int i = 0; i < n; i++) phase[i] += position * turns[i];
    }
}

static void trig_of_phases_float(const uint64_t *restrict phase, int n, float *restrict cosine,
                                 float *restrict sine) {
    const float radians = (float)(TWO_PI / 4294967296.0);
    for (int i = 0; i < n; i++) {
        const uint64_t quarter = (phase[i] + (1ull << 61)) >> 62;
        const uint64_t rest = phase[i] - (quarter << 62);
        const float x = (float)(int32_t)(rest >> 32) * radians;
        const int q = (int)quarter;
        float s, c;
        SERIES_FLOAT(x, s, c);
        TURN_QUARTERS(q, s, c, sine[i], cosine[i]);
    }
}

static void trig_of_phases_double(const uint64_t *restrict phase, int n, double *restrict cosine,
                                  double *restrict sine) {
    const double radians = TWO_PI / 18446744073709551616.0;
    for (int i = 0; i < n; i++) {
        const uint64_t quarter = (phase[i] + (1ull << 61)) >> 62;
        const double x = (double)(int64_t)(phase[i] - (quarter << 62)) * radians;
        const int q = (int)quarter;
        double s, c;
        SERIES_DOUBLE(x, s, c);
        TURN_QUARTERS(q, s, c, sine[i], cosine[i]);
    }
}

static void float_angles(const Call *call, int64_t at, int64_t first, int n,
                         double *restrict angle) {
    if (call->road == ROAD_FLOAT32) {
        float sum[CHUNK];
        for (int64_t axis = 0; axis < call->axes; axis++) {
            const float position = narrow_position(call, at + axis * call->position_axis);
            const float *restrict inv_freq =
                (const float *)call->frequencies + axis * call->pairs + first;
            if (axis == 0)
                for (int i = 0; i < n; i++) sum[i] = position * inv_freq[i];
            else
                for (int i = 0; i < n; i++) sum[i] += position * inv_freq[i];
        }
        for (int i = 0; i < n; i++) angle[i] = sum[i];
        return;
    }
    for (int64_t axis = 0; axis < call->axes; axis++) {
        const double position = float_position(call, at + axis * call->position_axis);
        const double *restrict inv_freq =
            (const double *)call->frequencies + axis * call->pairs + first;
        if (axis == 0)
            for (int i = 0; i < n; i++) angle[i] = position * inv_freq[i];
        else
            for (int i = 0; i < n; i++) angle[i] += position * inv_freq[i];
    }
}

/* pi/2 in three parts of at most 33 bits: their products with a quarter of up to 20 bits are exact. */
#define HALF_PI_1 0x1.921fb54400000p+0
#define HALF_PI_2 0x1.0b4611a600000p-34
#define HALF_PI_3 0x1.3198a2e037073p-69
#define FURTHEST 1e6 /* radians: 20 bits of quarters */

static void trig_of_angles(const double *restrict angle, int n, double *restrict cosine,
                           double *restrict sine) {
    const double shift = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    int far = 0;
    for (int i = 0; i < n; i++) {
        far |= !(angle[i] < FURTHEST && angle[i] > -FURTHEST);
        const double shifted = angle[i] * (4 / TWO_PI) + shift;
        const double quarters = shifted - shift;
        uint64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        const int q = (int)bits;
        const double x =
            ((angle[i] - quarters * HALF_PI_1) - quarters * HALF_PI_2) - quarters * HALF_PI_3;
        double s, c;
        SERIES_DOUBLE(x, s, c);
        TURN_QUARTERS(q, s, c, sine[i], cosine[i]);
    }
    if (far) /* rare: the mathematics library reduces any argument, slowly */
        for (int i = 0; i < n; i++)
            if (!(angle[i] < FURTHEST && angle[i] > -FURTHEST)) {
                /* One kind of NaN: the rounding to bfloat16 relies on its last bits. */
                sine[i] = isfinite(angle[i]) ? sin(angle[i]) : NAN;
                cosine[i] = isfinite(angle[i]) ? cos(angle[i]) : NAN;
            }
}

/* Gains and the direction, and for bfloat16 the order in which its halves come out of a word. */
static void place(const float *restrict from, int n, float gain, float *restrict to, int apart) {
    int i = 0;
    for (; apart && i + 2 * LANES <= n; i += 2 * LANES) {
        Floats low, high;
        memcpy(&low, from + i, sizeof low);
        memcpy(&high, from + i + LANES, sizeof high);
        const Floats even = gain * EVENS(low, high), odd = gain * ODDS(low, high);
        memcpy(to + i, &even, sizeof even);
        memcpy(to + i + LANES, &odd, sizeof odd);
    }
    for (; i < n; i++) to[i] = gain * from[i];
}

/* Cosines or sines that are given, `n` pairs from `first` on. */
static void given(const Call *call, const char *numbers, int64_t at, int64_t first, int n,
                  float *restrict narrow, double *restrict wide) {
    const int64_t step = call->position_axis;
    at += first * step;
    switch (call->position_dtype) {
        case FLOAT32:
            for (int i = 0; i < n; i++) narrow[i] = ((const float *)numbers)[at + i * step];
            break;
        case BFLOAT16:
            for (int i = 0; i < n; i++)
                narrow[i] = widen_bfloat((const bfloat *)numbers + at + i * step);
            break;
        case FLOAT16:
            for (int i = 0; i < n; i++) narrow[i] = widen_half((const half *)numbers + at + i * step);
            break;
        default:
            for (int i = 0; i < n; i++) wide[i] = ((const double *)numbers)[at + i * step];
    }
    if (call->position_dtype == FLOAT64)
        for (int i = 0; i < n; i++) narrow[i] = (float)wide[i];
    else
        for (int i = 0; i < n; i++) wide[i] = narrow[i];
}

void NAMED(fill_table, VARIANT)(const Call *call, int64_t position_batch, int64_t first_token,
                                int64_t tokens, void *table) {
    const int64_t numbers = 2 * call->pairs;
    const int apart = call->dtype == BFLOAT16 && !call->interleaved;
    uint64_t phase[CHUNK];
    double angle[CHUNK], wide_cosine[CHUNK], wide_sine[CHUNK];
    float cosine[CHUNK], sine[CHUNK];
    for (int64_t token = 0; token < tokens; token++) {
        const int64_t at = position_batch * call->position_batch +
                           (first_token + token) * call->position_seq;
        for (int64_t first = 0; first < call->pairs; first += CHUNK) {
            const int n = (int)(call->pairs - first < CHUNK ? call->pairs - first : CHUNK);
            const int wide = call->dtype == FLOAT64;
            if (call->road >= ROAD_TABLE) {
                given(call, call->positions, at, first, n, cosine, wide_cosine);
                given(call, call->frequencies, at, first, n, sine, wide_sine);
            } else if (call->road == ROAD_TURNS) {
                phases(call, at, first, n, phase);
                if (wide) trig_of_phases_double(phase, n, wide_cosine, wide_sine);
                else trig_of_phases_float(phase, n, cosine, sine);
            } else {
                float_angles(call, at, first, n, angle);
                trig_of_angles(angle, n, wide_cosine, wide_sine);
                for (int i = 0; i < n && !wide; i++) {
                    cosine[i] = (float)wide_cosine[i];
                    sine[i] = (float)wide_sine[i];
                }
            }
            if (wide) {
                double *c = (double *)table + token * numbers + first, *s = c + call->pairs;
                for (int i = 0; i < n; i++) {
                    c[i] = call->gain * wide_cosine[i];
                    s[i] = call->sign * call->gain * wide_sine[i];
                }
            } else {
                float *c = (float *)table + token * numbers + first, *s = c + call->pairs;
                place(cosine, n, (float)call->gain, c, apart);
                place(sine, n, (float)(call->sign * call->gain), s, apart);
            }
        }
    }
}
