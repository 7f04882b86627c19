/* Processes that do everything processes do, at random and as fast as they can. */
#ifndef CHURN_H
#define CHURN_H

#include <sys/types.h>

/* A child that churns until stop_churn(). The caller must be a subreaper (prctl(2)). */
pid_t start_churn(unsigned seed);

/* Ends these children, and returns when whatever they left behind has ended and is reaped. */
void stop_churn(const pid_t *children, int count);

#endif
