/* SPDX-License-Identifier: Apache-2.0
 * Threads start at the first run that can use them, so a context costs nothing until then, and a forked child (which
 * inherits the pool but none of its threads) starts its own. Whoever waits looks a little while before it sleeps: an encoding is
 * two runs of a millisecond, and waking a sleeping thread takes a tenth of that. */
#define _POSIX_C_SOURCE 200809L

#include "common/threadpool.h"

#include "common/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Looks before sleeping: some tens of microseconds. */
enum { LOOKS = 2000 };

typedef struct Worker {
    struct RdctPool *pool;
    pthread_t thread;
    int number;
} Worker;

struct RdctPool {
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t work, done;
    int threads, started; /* started: threads besides the caller */
    pid_t owner;          /* the process the threads live in */
    int stop;
    atomic_uint generation; /* of the current run; looked at without the mutex, as is busy */
    atomic_int busy;
    int next, count;
    RdctJob job;
    void *arg;
    Worker *workers;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Takes indices until none is left; called and left with the mutex held. */
static void take_jobs(RdctPool *pool, int worker) {
    while (pool->next < pool->count) {
        const int index = pool->next++;
        const RdctJob job = pool->job;
        void *arg = pool->arg;
        pthread_mutex_unlock(&pool->mutex);
        job(arg, index, worker);
        pthread_mutex_lock(&pool->mutex);
    }
}

static void *worker_main(void *arg) {
    Worker *worker = arg;
    RdctPool *pool = worker->pool;
    unsigned seen = 0; /* threads start while no run is under way and before the generation is raised */
    for (;;) {
        for (int i = 0; i < LOOKS && atomic_load_explicit(&pool->generation, memory_order_relaxed) == seen; i++)
            relax();
        pthread_mutex_lock(&pool->mutex);
        while (!pool->stop && pool->generation == seen)
            pthread_cond_wait(&pool->work, &pool->mutex);
        if (pool->stop)
            break;
        seen = pool->generation;
        pool->busy++;
        take_jobs(pool, worker->number);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static int init_sync(RdctPool *pool) {
    if (pthread_mutex_init(&pool->mutex, NULL) != 0)
        return -1;
    if (pthread_cond_init(&pool->work, NULL) != 0) {
        pthread_mutex_destroy(&pool->mutex);
        return -1;
    }
    if (pthread_cond_init(&pool->done, NULL) != 0) {
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->mutex);
        return -1;
    }
    pool->owner = getpid();
    pool->started = 0;
    pool->generation = 0;
    pool->busy = 0;
    return 0;
}

/* Fewer threads than asked for is no failure: the caller does the work. */
static void start_threads(RdctPool *pool) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals belong to the application's threads */
    while (pool->started < pool->threads - 1) {
        Worker *worker = &pool->workers[pool->started];
        worker->pool = pool;
        worker->number = pool->started + 1;
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            break;
        pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

RdctPool *rdct_pool_create(int threads) {
    RdctPool *pool = rdct_malloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    memset(pool, 0, sizeof *pool);
    pool->threads = threads;
    pool->workers = rdct_malloc((size_t)threads, sizeof *pool->workers);
    if (pool->workers == NULL || init_sync(pool) != 0) {
        rdct_free(pool->workers);
        rdct_free(pool);
        return NULL;
    }
    return pool;
}

void rdct_pool_destroy(RdctPool *pool) {
    if (pool == NULL)
        return;
    if (pool->owner == getpid()) { /* else the threads and the state of the mutex stayed behind in the parent */
        pthread_mutex_lock(&pool->mutex);
        pool->stop = 1;
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
        for (int i = 0; i < pool->started; i++)
            pthread_join(pool->workers[i].thread, NULL);
        pthread_cond_destroy(&pool->done);
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->mutex);
    }
    rdct_free(pool->workers);
    rdct_free(pool);
}

int rdct_pool_threads(const RdctPool *pool) {
    return pool->threads;
}

void rdct_pool_run(RdctPool *pool, int count, RdctJob job, void *arg) {
    int alone = pool->threads == 1 || count < 2;
    if (!alone) {
        if (pool->owner != getpid() && init_sync(pool) != 0)
            alone = 1;
        else if (pool->started == 0)
            start_threads(pool);
    }
    if (alone || pool->started == 0) {
        for (int i = 0; i < count; i++)
            job(arg, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->job = job;
    pool->arg = arg;
    pool->next = 0;
    pool->count = count;
    pool->generation++;
    pthread_cond_broadcast(&pool->work);
    take_jobs(pool, 0);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < LOOKS && atomic_load_explicit(&pool->busy, memory_order_relaxed) > 0; i++)
        relax();
    pthread_mutex_lock(&pool->mutex);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}
