/* What Python hands over: one block of 64-bit fields, in the order of `launch.py`. */
#ifndef PHASOR_CALL_H
#define PHASOR_CALL_H

#include <stdint.h>

enum { FLOAT32, BFLOAT16, FLOAT16, FLOAT64 };                 /* activations */
enum { POSITION_INT64, POSITION_INT32, POSITION_FLOAT64, POSITION_FLOAT32 };
/* How an angle is formed; or that cosines and sines are given, and what is rounded by their use. */
enum {
    ROAD_TURNS, ROAD_FLOAT64, ROAD_FLOAT32,
    ROAD_TABLE,         /* the result, once */
    ROAD_TABLE_WIDE,    /* products and sum to float32, then the result */
    ROAD_TABLE_EACH,    /* each product and the sum to the dtype of the activations */
    ROADS
};

/* Strides count elements. */
typedef struct {
    const char *in;
    char *out;
    int64_t heads;
    int64_t in_batch, in_head, in_seq;
    int64_t out_batch, out_head, out_seq;
} Activations;

typedef struct {
    int64_t dtype, road, position_dtype, interleaved;
    int64_t batch, seq, head_dim, start, axes, pairs, threads, tensors;
    double sign, gain;
    const char *positions, *frequencies;
    /* position_batches is 1 where the batch shares its positions. Of a table, `positions` are the
       cosines, of the dtype `position_dtype` of activations, and `frequencies` the sines, with the
       same strides; `position_axis` leads from one pair to the next. */
    int64_t position_batches, position_batch, position_seq, position_axis;
    Activations tensor[2];
} Call;

/* A table holds, token by token, the cosines of all pairs and then the sines. */
static inline int64_t table_row(const Call *call) {
    return 2 * call->pairs * (call->dtype == FLOAT64 ? 8 : 4);
}

static inline int64_t element_size(const Call *call) {
    return call->dtype == FLOAT64 ? 8 : call->dtype == FLOAT32 ? 4 : 2;
}

/* Each is compiled once for each instruction set, under a name of its own. */
typedef void FillTable(const Call *, int64_t position_batch, int64_t first, int64_t tokens,
                       void *table);
typedef void TurnRows(const Call *, const Activations *, int64_t batch, int64_t first,
                      int64_t tokens, const void *table, int stream);

#define PASTE(name, variant) phasor_##name##_##variant
#define NAMED(name, variant) PASTE(name, variant)

#endif
