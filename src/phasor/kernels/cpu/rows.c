/* Turning rows: the heads of a few tokens of one sequence, by a table of those tokens.

   Compiled once for each rounding. As it stands a product and a sum may become one instruction with
   one rounding; named `turn_rows_wide` and `turn_rows_each` it is compiled without that, and the
   latter rounds each product to the dtype of the activations, where that is narrower. */
#include <string.h>

#include "call.h"
#include "vector.h"

#define PREFETCH 2048 /* bytes ahead: the hardware's own reach is short of what memory can deliver */

/* Where each head is a run of memory of its own, a few take turns: they share the cosines of a token
   while those are in the first-level cache. */
#define HEADS_AT_ONCE 4

#if !defined(TURN_ROWS)
#define TURN_ROWS turn_rows
#endif

#define INLINE static inline __attribute__((always_inline))

#define STORE(T, to, v)                                                                            \
    do {                                                                                           \
        if (stream) stream_##T(to, v);                                                             \
        else store_##T(to, v);                                                                     \
    } while (0)

/* A product as it goes into the sum: of vectors, and of single numbers. */
#if defined(EACH)
#define KEPT(T, x) kept_##T(x)
#define KEPT_ONE(T, x) kept_one_##T(x)
#else
#define KEPT(T, x) (x)
#define KEPT_ONE(T, x) (x)
#endif
#define SUM(T, KEEP, a, b, c, d) (KEEP(T, (a) * (b)) + KEEP(T, (c) * (d)))
#define DIFFERENCE(T, KEEP, a, b, c, d) (KEEP(T, (a) * (b)) - KEEP(T, (c) * (d)))

/* What is left over after the vectors, pair by pair. */
#define REST(T, NUMBER)                                                                            \
    INLINE void rest_##T(const T *in, T *out, const NUMBER *c, const NUMBER *s, int64_t i,         \
                         int64_t pairs, int64_t step, int64_t apart) {                             \
        for (; i < pairs; i++) {                                                                   \
            const NUMBER first = widen_##T(in + i * step), second = widen_##T(in + i * step + apart); \
            narrow_##T(out + i * step, DIFFERENCE(T, KEPT_ONE, first, c[i], second, s[i]));        \
            narrow_##T(out + i * step + apart, SUM(T, KEPT_ONE, second, c[i], first, s[i]));       \
        }                                                                                          \
    }

#define ROWS(T, NUMBER, VECTOR, SUFFIX)                                                            \
    INLINE void half_row_##T(const T *in, T *out, const NUMBER *c, const NUMBER *s, int64_t pairs, \
                             int stream) {                                                         \
        const int64_t lanes = sizeof(VECTOR) / sizeof(NUMBER);                                     \
        int64_t i = 0;                                                                             \
        for (; i + lanes <= pairs; i += lanes) {                                                   \
            VECTOR cosine, sine;                                                                   \
            memcpy(&cosine, c + i, sizeof cosine);                                                 \
            memcpy(&sine, s + i, sizeof sine);                                                     \
            const VECTOR first = load_##T(in + i), second = load_##T(in + pairs + i);              \
            STORE(T, out + i, DIFFERENCE(T, KEPT, first, cosine, second, sine));                   \
            STORE(T, out + pairs + i, SUM(T, KEPT, second, cosine, first, sine));                  \
        }                                                                                          \
        rest_##T(in, out, c, s, i, pairs, 1, pairs);                                               \
    }                                                                                              \
                                                                                                   \
    INLINE void interleaved_row_##T(const T *in, T *out, const NUMBER *c, const NUMBER *s,         \
                                    int64_t pairs, int stream) {                                   \
        const int64_t lanes = sizeof(VECTOR) / sizeof(NUMBER);                                     \
        int64_t i = 0;                                                                             \
        for (; i + lanes <= pairs; i += lanes) {                                                   \
            VECTOR cosine, sine;                                                                   \
            memcpy(&cosine, c + i, sizeof cosine);                                                 \
            memcpy(&sine, s + i, sizeof sine);                                                     \
            const VECTOR low = load_##T(in + 2 * i), high = load_##T(in + 2 * i + lanes);          \
            const VECTOR first = EVENS##SUFFIX(low, high), second = ODDS##SUFFIX(low, high);       \
            const VECTOR a = DIFFERENCE(T, KEPT, first, cosine, second, sine);                     \
            const VECTOR b = SUM(T, KEPT, second, cosine, first, sine);                            \
            STORE(T, out + 2 * i, LOW_ZIPPED##SUFFIX(a, b));                                       \
            STORE(T, out + 2 * i + lanes, HIGH_ZIPPED##SUFFIX(a, b));                              \
        }                                                                                          \
        rest_##T(in, out, c, s, i, pairs, 2, 1);                                                   \
    }

#if !defined(EACH)
REST(float, float)
REST(double, double)
ROWS(float, float, Floats, )
ROWS(double, double, Doubles, _DOUBLE)
#endif
REST(half, float)
REST(bfloat, float)
ROWS(half, float, Floats, )

/* The table of these has evens and odds apart: see `place_float` in table.c. */
INLINE void half_row_bfloat(const bfloat *in, bfloat *out, const float *c, const float *s,
                            int64_t pairs, int stream) {
    int64_t i = 0;
    for (; i + 2 * LANES <= pairs; i += 2 * LANES) {
        Floats c0, c1, s0, s1;
        memcpy(&c0, c + i, sizeof c0);
        memcpy(&c1, c + i + LANES, sizeof c1);
        memcpy(&s0, s + i, sizeof s0);
        memcpy(&s1, s + i + LANES, sizeof s1);
        const Words first = load_bfloats(in + i), second = load_bfloats(in + pairs + i);
        const Floats a0 = even_bfloats(first), a1 = odd_bfloats(first);
        const Floats b0 = even_bfloats(second), b1 = odd_bfloats(second);
        STORE(bfloats, out + i, rounded_bfloats(DIFFERENCE(bfloat, KEPT, a0, c0, b0, s0),
                                                DIFFERENCE(bfloat, KEPT, a1, c1, b1, s1)));
        STORE(bfloats, out + pairs + i, rounded_bfloats(SUM(bfloat, KEPT, b0, c0, a0, s0),
                                                        SUM(bfloat, KEPT, b1, c1, a1, s1)));
    }
    rest_bfloat(in, out, c, s, i, pairs, 1, pairs);
}

INLINE void interleaved_row_bfloat(const bfloat *in, bfloat *out, const float *c, const float *s,
                                   int64_t pairs, int stream) {
    int64_t i = 0;
    for (; i + LANES <= pairs; i += LANES) {
        Floats cosine, sine;
        memcpy(&cosine, c + i, sizeof cosine);
        memcpy(&sine, s + i, sizeof sine);
        const Words both = load_bfloats(in + 2 * i);
        const Floats a = even_bfloats(both), b = odd_bfloats(both);
        STORE(bfloats, out + 2 * i, rounded_bfloats(DIFFERENCE(bfloat, KEPT, a, cosine, b, sine),
                                                    SUM(bfloat, KEPT, b, cosine, a, sine)));
    }
    rest_bfloat(in, out, c, s, i, pairs, 2, 1);
}

/* Every size is a local here: a store may not change it, and the compiler need not fear so. */
#define TURN(T, NUMBER)                                                                            \
    INLINE void rows_##T(const T *in, T *out, int64_t outer, int64_t outer_in, int64_t outer_out,  \
                         int64_t inner, int64_t inner_in, int64_t inner_out, const NUMBER *table,  \
                         int64_t outer_table, int64_t inner_table, int64_t pairs, int64_t start,   \
                         int64_t head_dim, int interleaved, int stream) {                          \
        const int copies = in != out && head_dim > 2 * pairs;                                      \
        const int64_t end = start + 2 * pairs, bytes = head_dim * sizeof(T);                       \
        for (int64_t i = 0; i < outer; i++) {                                                      \
            const T *from = in + i * outer_in;                                                     \
            T *to = out + i * outer_out;                                                           \
            const NUMBER *c = table + i * outer_table;                                             \
            for (int64_t j = 0; j < inner; j++) {                                                  \
                for (int64_t line = 0; line < bytes; line += 64)                                   \
                    __builtin_prefetch((const char *)from + PREFETCH + line);                      \
                if (interleaved)                                                                   \
                    interleaved_row_##T(from + start, to + start, c, c + pairs, pairs, stream);    \
                else half_row_##T(from + start, to + start, c, c + pairs, pairs, stream);          \
                if (copies) {                                                                      \
                    memcpy(to, from, start * sizeof(T));                                           \
                    memcpy(to + end, from + end, (head_dim - end) * sizeof(T));                    \
                }                                                                                  \
                from += inner_in;                                                                  \
                to += inner_out;                                                                   \
                c += inner_table;                                                                  \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    INLINE void ordered_##T(const Call *call, const Activations *x, int64_t batch, int64_t first,  \
                            int64_t tokens, const NUMBER *table, int interleaved, int stream) {    \
        const T *in = (const T *)x->in + batch * x->in_batch + first * x->in_seq;                  \
        T *out = (T *)x->out + batch * x->out_batch + first * x->out_seq;                          \
        /* Memory is walked in the order in which it lies. */                                      \
        if (x->in_head <= x->in_seq)                                                               \
            rows_##T(in, out, tokens, x->in_seq, x->out_seq, x->heads, x->in_head, x->out_head,    \
                     table, 2 * call->pairs, 0, call->pairs, call->start, call->head_dim,          \
                     interleaved, stream);                                                         \
        else                                                                                       \
            for (int64_t head = 0; head < x->heads; head += HEADS_AT_ONCE)                         \
                rows_##T(in + head * x->in_head, out + head * x->out_head, tokens, x->in_seq,      \
                         x->out_seq, x->heads - head < HEADS_AT_ONCE ? x->heads - head : HEADS_AT_ONCE,\
                         x->in_head, x->out_head, table, 2 * call->pairs, 0, call->pairs,          \
                         call->start, call->head_dim, interleaved, stream);                        \
    }                                                                                              \
                                                                                                   \
    static void turn_##T(const Call *call, const Activations *x, int64_t batch, int64_t first,     \
                         int64_t tokens, const void *table, int stream) {                          \
        if (call->interleaved) {                                                                   \
            if (stream) ordered_##T(call, x, batch, first, tokens, table, 1, 1);                   \
            else ordered_##T(call, x, batch, first, tokens, table, 1, 0);                          \
        } else {                                                                                   \
            if (stream) ordered_##T(call, x, batch, first, tokens, table, 0, 1);                   \
            else ordered_##T(call, x, batch, first, tokens, table, 0, 0);                          \
        }                                                                                          \
    }

#if !defined(EACH)
TURN(float, float)
TURN(double, double)
#endif
TURN(bfloat, float)
TURN(half, float)

/* Whether every vector that would be stored lies at a multiple of its own size. */
static int aligned(const Call *call, const Activations *x) {
    const int64_t size = element_size(call), vector = call->dtype == FLOAT16 ? 2 * LANES : 4 * LANES;
    const int64_t unit = call->interleaved ? 2 * call->pairs : call->pairs;
    const int64_t steps = x->out_batch | x->out_head | x->out_seq | call->start | unit;
    return (((int64_t)(intptr_t)x->out | size * steps) & (vector - 1)) == 0;
}

void NAMED(TURN_ROWS, VARIANT)(const Call *call, const Activations *x, int64_t batch, int64_t first,
                               int64_t tokens, const void *table, int stream) {
    stream = stream && CAN_STREAM && x->in != x->out && aligned(call, x);
    switch (call->dtype) {
#if !defined(EACH)
        case FLOAT32: turn_float(call, x, batch, first, tokens, table, stream); break;
        case FLOAT64: turn_double(call, x, batch, first, tokens, table, stream); break;
#endif
        case BFLOAT16: turn_bfloat(call, x, batch, first, tokens, table, stream); break;
        default: turn_half(call, x, batch, first, tokens, table, stream);
    }
    if (stream) finish_stream();
}
