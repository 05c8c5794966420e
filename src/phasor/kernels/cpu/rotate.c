/* Dividing a call into work, and the work among threads. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include <stdlib.h>

#if !defined(_WIN32)
#include <pthread.h>
#define HAS_THREADS 1
#else
#define HAS_THREADS 0
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "call.h"

#define SMALL_TABLE 16384         /* bytes: stays in the first-level cache, and on the stack */
#define LARGE_TABLE_TOKENS 256    /* head by head, longer runs of memory matter more */
#define WORTH_A_THREAD (1 << 20)  /* bytes of activations: starting a thread costs as much as 200 KB */
#define WORTH_STREAMING (8 << 20) /* bytes of output: what will not stay in the cache anyway */
#define HUGE_PAGE (2 << 20)
#define MOST_THREADS 256

#define DECLARE(variant)                                                                           \
    FillTable NAMED(fill_table, variant);                                                          \
    TurnRows NAMED(turn_rows, variant), NAMED(turn_rows_wide, variant),                            \
        NAMED(turn_rows_each, variant);
DECLARE(generic)
#if defined(PHASOR_X86)
DECLARE(avx2)
DECLARE(avx512)
#endif

static int64_t instruction_set(void) {
#if defined(PHASOR_X86)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c"))
        return 1;
#endif
    return 0;
}

typedef struct {
    const Call *call;
    FillTable *fill_table;
    TurnRows *turn_rows;
    int64_t block;                 /* tokens that share a table */
    int64_t blocks, groups;        /* of tokens, of sequences that share positions */
    int64_t first, last;           /* items of work */
    int stream, failed;
} Share;

static void *work(void *argument) {
    Share *share = argument;
    const Call *call = share->call;
    const int64_t bytes = table_row(call) * share->block;
    _Alignas(64) char small[SMALL_TABLE];
    void *large = NULL;
    void *table = small;
    if (bytes > SMALL_TABLE) {
        large = malloc(bytes + 64);
        if (!large) {
            share->failed = 1;
            return NULL;
        }
        table = (char *)large + (64 - (uintptr_t)large % 64);
    }
    const int64_t sharing = call->position_batches == 1 ? call->batch : 1;
    for (int64_t item = share->first; item < share->last; item++) {
        const int64_t group = item % share->groups, rest = item / share->groups;
        const int64_t first = rest % share->blocks * share->block, batch = rest / share->blocks;
        const int64_t left = call->seq - first;
        const int64_t tokens = left < share->block ? left : share->block;
        share->fill_table(call, batch, first, tokens, table);
        const int64_t from = sharing * group / share->groups;
        const int64_t to = sharing * (group + 1) / share->groups;
        for (int64_t at = from; at < to; at++)
            for (int64_t tensor = 0; tensor < call->tensors; tensor++)
                share->turn_rows(call, &call->tensor[tensor], batch + at, first, tokens, table,
                                 share->stream);
    }
    free(large);
    return NULL;
}

/* Fresh output costs a page fault for each page, more than the rotation: ask for large pages. */
static void ask_for_large_pages(const Call *call, const Activations *x) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const int64_t extent = (call->batch - 1) * x->out_batch + (x->heads - 1) * x->out_head +
                           (call->seq - 1) * x->out_seq + call->head_dim;
    const uintptr_t start = ((uintptr_t)x->out + 4095) & ~(uintptr_t)4095;
    const uintptr_t end = ((uintptr_t)x->out + extent * element_size(call)) & ~(uintptr_t)4095;
    if (end > start && end - start >= 4 * HUGE_PAGE)
        madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)call, (void)x;
#endif
}

/* So that Python can see whether it was built from these sources. */
const int64_t phasor_call_size = sizeof(Call);
const int64_t phasor_roads = ROADS;

/* 0, or 1 where there was no memory for a table. */
int phasor_rotate(const Call *call) {
    static FillTable *const fill_table[] = {
        NAMED(fill_table, generic),
#if defined(PHASOR_X86)
        NAMED(fill_table, avx2), NAMED(fill_table, avx512),
#endif
    };
#define ROUNDINGS(variant)                                                                         \
    { NAMED(turn_rows, variant), NAMED(turn_rows_wide, variant), NAMED(turn_rows_each, variant) }
    static TurnRows *const turn_rows[][3] = {
        ROUNDINGS(generic),
#if defined(PHASOR_X86)
        ROUNDINGS(avx2), ROUNDINGS(avx512),
#endif
    };
    const int64_t set = instruction_set();
    const int narrow = call->dtype == BFLOAT16 || call->dtype == FLOAT16;
    const int rounding = call->road < ROAD_TABLE_WIDE ? 0 : call->road == ROAD_TABLE_EACH && narrow ? 2 : 1;
    Share whole = {
        .call = call, .fill_table = fill_table[set], .turn_rows = turn_rows[set][rounding]};

    int64_t heads = 0, head_major = 0, fresh = 0;
    for (int64_t i = 0; i < call->tensors; i++) {
        const Activations *x = &call->tensor[i];
        heads += x->heads;
        head_major |= x->in_head > x->in_seq && call->seq > 1;
        fresh |= x->in != x->out;
    }
    const int64_t bytes = call->batch * call->seq * heads * call->head_dim * element_size(call);
    if (bytes == 0) return 0;
    if (fresh && bytes >= WORTH_STREAMING) {
        whole.stream = 1;
        for (int64_t i = 0; i < call->tensors; i++) ask_for_large_pages(call, &call->tensor[i]);
    }
    const int64_t row = table_row(call);
    whole.block = head_major || !row ? LARGE_TABLE_TOKENS : SMALL_TABLE / row;
    if (whole.block < 1) whole.block = 1;
    if (whole.block > call->seq) whole.block = call->seq;
    whole.blocks = (call->seq + whole.block - 1) / whole.block;

    int64_t threads = bytes / WORTH_A_THREAD;
    if (threads > call->threads) threads = call->threads;
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads < 1 || !HAS_THREADS) threads = 1;
    const int64_t sharing = call->position_batches == 1 ? call->batch : 1;
    int64_t items = call->position_batches * whole.blocks;
    whole.groups = items >= 2 * threads ? 1 : sharing < 2 * threads ? sharing : 2 * threads;
    items *= whole.groups;
    whole.last = items;
    if (threads == 1) {
        work(&whole);
        return whole.failed;
    }
#if HAS_THREADS
    /* Threads live as long as the call: nothing to inherit for a forked worker, nothing to reset,
       and tens of microseconds each, which only calls that take longer pay. */
    Share shares[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    int started[MOST_THREADS];
    for (int64_t i = 0; i < threads; i++) {
        shares[i] = whole;
        shares[i].first = items * i / threads;
        shares[i].last = items * (i + 1) / threads;
        started[i] = i + 1 < threads && !pthread_create(&ids[i], NULL, work, &shares[i]);
    }
    int failed = 0;
    for (int64_t i = threads - 1; i >= 0; i--) {
        if (!started[i]) work(&shares[i]);
    }
    for (int64_t i = 0; i < threads; i++) {
        if (started[i]) pthread_join(ids[i], NULL);
        failed |= shares[i].failed;
    }
    return failed;
#else
    return 0;
#endif
}
