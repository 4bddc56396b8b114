/* square_sgd by hand: a·x + b by single rows, cells side by side in vectors. Compiled when the benchmark runs, see compiled.py. */
#define LANES 64
#define HUGE(real) ((real)(sizeof(real) == 8 ? 1.7976931348623157e308 : 3.4028234663852886e38))

/* The events are kept in the numbers' own type: with another one compilers do nothing side by side. */
#define TRAIN(name, real)                                                                                                                 \
    void name(long cells, long rows, long epochs, int records, const real *x, const real *y, real *a, real *b,                            \
              const real *rate, real *first_inf, real *first_nan, real *total) {                                                          \
        for (long start = 0; start < cells; start += LANES) {                                                                             \
            long lanes = cells - start < LANES ? cells - start : LANES;                                                                   \
            real p[LANES] = {0}, q[LANES] = {0}, r[LANES] = {0}, sum[LANES] = {0}, inf[LANES], nan[LANES];                                \
            for (long l = 0; l < LANES; l++) inf[l] = nan[l] = -1;                                                                        \
            for (long l = 0; l < lanes; l++) p[l] = a[start + l], q[l] = b[start + l], r[l] = rate[start + l];                            \
            for (long epoch = 0; epoch < epochs; epoch++) {                                                                               \
                for (long i = 0; i < rows; i++) {                                                                                         \
                    real xi = x[i], yi = y[i], step = (real)(epoch * rows + i);                                                           \
                    if (!records) {                                                                                                       \
                        for (long l = 0; l < LANES; l++) {                                                                                \
                            real error = p[l] * xi + q[l] - yi;                                                                           \
                            p[l] -= r[l] * error * xi;                                                                                    \
                            q[l] -= r[l] * error;                                                                                         \
                        }                                                                                                                 \
                        continue;                                                                                                         \
                    }                                                                                                                     \
                    for (long l = 0; l < LANES; l++) {                                                                                    \
                        real error = p[l] * xi + q[l] - yi, loss = error * error / 2;                                                     \
                        real u = p[l] - r[l] * error * xi, v = q[l] - r[l] * error;                                                       \
                        int none = (u != u) | (v != v) | (loss != loss), alive = nan[l] < 0;                                              \
                        int infinite = (loss > HUGE(real)) | (u > HUGE(real)) | (u < -HUGE(real)) | (v > HUGE(real)) | (v < -HUGE(real)); \
                        sum[l] = alive ? sum[l] + loss : sum[l];                                                                          \
                        inf[l] = infinite & alive & (inf[l] < 0) ? step : inf[l];                                                         \
                        nan[l] = none & alive ? step : nan[l];                                                                            \
                        p[l] = u, q[l] = v;                                                                                               \
                    }                                                                                                                     \
                }                                                                                                                         \
            }                                                                                                                             \
            for (long l = 0; l < lanes; l++) {                                                                                            \
                a[start + l] = p[l], b[start + l] = q[l], total[start + l] = sum[l];                                                      \
                first_inf[start + l] = inf[l], first_nan[start + l] = nan[l];                                                             \
            }                                                                                                                             \
        }                                                                                                                                 \
    }

TRAIN(train_float64, double)
TRAIN(train_float32, float)
