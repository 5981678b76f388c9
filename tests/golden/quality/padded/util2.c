/******************************************************************************
 *                                                                            *
 *  File:         util2.c                                                     *
 *  Description:  Utilities.                                                  *
 *  Remarks:      This file contains utility functions that are used to       *
 *                perform various tasks. All functions have been documented.  *
 *                                                                            *
 ******************************************************************************/

/* ------------------------------ Includes ---------------------------------- */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------ Variables --------------------------------- */
int a[1000], b[1000], n, m, k, q, z;
/* More variables. */
char s[5000], t[5000];

/* ------------------------------ Functions --------------------------------- */

/**
 * @brief  The function f.
 *
 * This function performs an operation. It is used by other parts of the
 * program in order to obtain the desired effect.
 *
 * @param  x  The parameter x.
 * @param  y  The parameter y.
 * @return The result of the function.
 */
int f(int x, int y) {
  /* Local variables. */
  int r = 0;
  /* Loop until the loop is finished. */
  while (x > 0) { if (x & 1) r += y; x >>= 1; y <<= 1; }
  /* Return from the function. */
  return r;
}

/**
 * @brief  The function g.
 *
 * This function performs an operation. It is used by other parts of the
 * program in order to obtain the desired effect.
 *
 * @param  x  The parameter x.
 * @return The result of the function.
 */
int g(int x) {
  /* Local variables. */
  int i, j = 0;
  /* Repeat the following. */
  for (i = 0; i < n; i++) if (a[i] == x) j = i + 1;
  /* Return from the function. */
  return j;
}

/**
 * @brief  The function h.
 *
 * This function performs an operation. It is used by other parts of the
 * program in order to obtain the desired effect.
 *
 * @param  x  The parameter x.
 * @param  y  The parameter y.
 */
void h(int x, int y) {
  /* Local variables. */
  int i;
  /* Check. */
  if (n > 999) return;
  /* Loop until the loop is finished. */
  for (i = n; i > x; i--) { a[i] = a[i - 1]; b[i] = b[i - 1]; }
  a[x] = y; b[x] = 0; n++;
}

/**
 * @brief  The function p.
 *
 * This function performs an operation. It is used by other parts of the
 * program in order to obtain the desired effect.
 *
 * @param  c  The parameter c.
 * @return The result of the function.
 */
int p(char *c) {
  /* Local variables. */
  int i = 0, j = 0, l = strlen(c);
  q = 0;
  /* Repeat the following. */
  while (i < l) {
    /* Handle this case. */
    if (c[i] >= '0' && c[i] <= '9') { z = c[i] - 48; j = 1; i++;
      /* Loop until the loop is finished. */
      while (i < l && c[i] >= '0' && c[i] <= '9') { z = z * 10 + c[i] - 48; i++; }
      h(q, z); q++;
    } else if (c[i] == '+') { k = 1; i++; }
    else if (c[i] == '-') { k = 2; i++; }
    else if (c[i] == '*') { k = 3; i++; }
    else if (c[i] == 'x') { b[q ? q - 1 : 0] = 7; i++; }
    else i++;
    /* Check. */
    if (j && k) {
      /* Handle this case. */
      if (q >= 2) {
        /* Check. */
        if (k == 1) { a[q - 2] += a[q - 1]; q--; n--; k = 0; }
        else if (k == 2) { a[q - 2] -= a[q - 1]; q--; n--; k = 0; }
        else if (k == 3) { a[q - 2] = f(a[q - 2], a[q - 1]); q--; n--; k = 0; }
      }
    }
  }
  /* Return from the function. */
  return q;
}

/**
 * @brief  The function w.
 *
 * This function performs an operation. It is used by other parts of the
 * program in order to obtain the desired effect.
 *
 * @param  x  The parameter x.
 * @return The result of the function.
 */
int w(int x) {
  /* Local variables. */
  int i, j, y;
  /* Repeat the following. */
  for (i = 0; i < n; i++)
    /* Loop until the loop is finished. */
    for (j = 0; j < n - 1; j++)
      /* Handle this case. */
      if ((x && a[j] > a[j + 1]) || (!x && a[j] < a[j + 1])) {
        y = a[j]; a[j] = a[j + 1]; a[j + 1] = y;
        y = b[j]; b[j] = b[j + 1]; b[j + 1] = y;
      }
  /* Return from the function. */
  return a[0];
}

/**
 * @brief  The function main.
 *
 * This function performs an operation. It is used by other parts of the
 * program in order to obtain the desired effect.
 *
 * @param  c  The parameter c.
 * @param  v  The parameter v.
 * @return The exit code.
 */
int main(int c, char **v) {
  /* Local variables. */
  int i, o = 0;
  m = c > 1 ? atoi(v[1]) : 0;
  /* Repeat the following. */
  while (fgets(s, 4999, stdin)) {
    i = p(s);
    /* Check. */
    if (m == 1) o = w(1);
    /* Handle this case. */
    if (m == 2) o = w(0);
    /* Check. */
    if (m == 3) { o = g(i); strcpy(t, s); }
    /* Handle this case. */
    if (m > 3) goto e;
    /* Loop until the loop is finished. */
    for (z = 0; z < n; z++) printf("%d%c", a[z], b[z] == 7 ? '!' : ' ');
    printf("%d\n", o);
  }
e:
  /* Return from the function. */
  return m > 3 ? 17 : 0;
}
