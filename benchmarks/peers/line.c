/* square_sgd by hand: a·x + b by single rows, cells side by side in vectors. Compiled when the benchmark runs, see compiled.py. */
#define HUGE(real) ((real)(sizeof(real) == 8 ? 1.7976931348623157e308 : 3.4028234663852886e38))
#define ABS(number) ((number) < 0 ? -(number) : (number))
#define IS_NAN(number) ((number) != (number))

/* Cells are only looked at closely where some number of the LANES is none: then the loop over them stays in vectors. Events
   are kept in the numbers' own type, and the alarm in integers of its size: with others compilers do nothing side by side. */
#define TRAIN(name, real, whole)                                                                                                      \
    void name(long cells, long rows, long epochs, int records, const real *x, const real *y, real *a, real *b,                        \
              const real *rate, real *total, real *first_inf, real *first_nan) {                                                      \
        for (long start = 0; start < cells; start += LANES) {                                                                         \
            long lanes = cells - start < LANES ? cells - start : LANES;                                                               \
            real p[LANES] = {0}, q[LANES] = {0}, r[LANES] = {0}, sum[LANES] = {0}, last[LANES], inf[LANES], nan[LANES];               \
            for (long l = 0; l < LANES; l++) inf[l] = nan[l] = -1;                                                                    \
            for (long l = 0; l < lanes; l++) p[l] = a[start + l], q[l] = b[start + l], r[l] = rate[start + l];                        \
            for (long epoch = 0; epoch < epochs; epoch++) {                                                                           \
                for (long i = 0; i < rows; i++) {                                                                                     \
                    real xi = x[i], yi = y[i], step = (real)(epoch * rows + i);                                                       \
                    if (!records) {                                                                                                   \
                        for (long l = 0; l < LANES; l++) {                                                                            \
                            real error = p[l] * xi + q[l] - yi;                                                                       \
                            p[l] -= r[l] * error * xi;                                                                                \
                            q[l] -= r[l] * error;                                                                                     \
                        }                                                                                                             \
                        continue;                                                                                                     \
                    }                                                                                                                 \
                    whole alarm = 0;                                                                                                  \
                    for (long l = 0; l < LANES; l++) {                                                                                \
                        real error = p[l] * xi + q[l] - yi, loss = error * error / 2;                                                 \
                        real u = p[l] - r[l] * error * xi, v = q[l] - r[l] * error;                                                   \
                        sum[l] = nan[l] < 0 ? sum[l] + loss : sum[l];                                                                 \
                        alarm |= !(ABS(u) + ABS(v) + loss <= HUGE(real));                                                             \
                        p[l] = u, q[l] = v, last[l] = loss;                                                                           \
                    }                                                                                                                 \
                    if (!alarm) continue;                                                                                             \
                    for (long l = 0; l < LANES; l++) {                                                                                \
                        if (nan[l] >= 0) continue;                                                                                    \
                        if (inf[l] < 0 && (last[l] > HUGE(real) || ABS(p[l]) > HUGE(real) || ABS(q[l]) > HUGE(real))) inf[l] = step;  \
                        if (IS_NAN(last[l]) || IS_NAN(p[l]) || IS_NAN(q[l])) nan[l] = step;                                           \
                    }                                                                                                                 \
                }                                                                                                                     \
            }                                                                                                                         \
            for (long l = 0; l < lanes; l++) a[start + l] = p[l], b[start + l] = q[l];                                                \
            if (!records) continue;                                                                                                   \
            for (long l = 0; l < lanes; l++) total[start + l] = sum[l], first_inf[start + l] = inf[l], first_nan[start + l] = nan[l]; \
        }                                                                                                                             \
    }

TRAIN(train_float64, double, long long)
TRAIN(train_float32, float, int)
