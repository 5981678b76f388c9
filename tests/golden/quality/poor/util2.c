#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int a[1000], b[1000], n, m, k, q, z;
char s[5000], t[5000];

int f(int x, int y) {
  int r = 0;
  while (x > 0) { if (x & 1) r += y; x >>= 1; y <<= 1; }
  return r;
}

int g(int x) {
  int i, j = 0;
  for (i = 0; i < n; i++) if (a[i] == x) j = i + 1;
  return j;
}

void h(int x, int y) {
  int i;
  if (n > 999) return;
  for (i = n; i > x; i--) { a[i] = a[i - 1]; b[i] = b[i - 1]; }
  a[x] = y; b[x] = 0; n++;
}

int p(char *c) {
  int i = 0, j = 0, l = strlen(c);
  q = 0;
  while (i < l) {
    if (c[i] >= '0' && c[i] <= '9') { z = c[i] - 48; j = 1; i++;
      while (i < l && c[i] >= '0' && c[i] <= '9') { z = z * 10 + c[i] - 48; i++; }
      h(q, z); q++;
    } else if (c[i] == '+') { k = 1; i++; }
    else if (c[i] == '-') { k = 2; i++; }
    else if (c[i] == '*') { k = 3; i++; }
    else if (c[i] == 'x') { b[q ? q - 1 : 0] = 7; i++; }
    else i++;
    if (j && k) {
      if (q >= 2) {
        if (k == 1) { a[q - 2] += a[q - 1]; q--; n--; k = 0; }
        else if (k == 2) { a[q - 2] -= a[q - 1]; q--; n--; k = 0; }
        else if (k == 3) { a[q - 2] = f(a[q - 2], a[q - 1]); q--; n--; k = 0; }
      }
    }
  }
  return q;
}

int w(int x) {
  int i, j, y;
  for (i = 0; i < n; i++)
    for (j = 0; j < n - 1; j++)
      if ((x && a[j] > a[j + 1]) || (!x && a[j] < a[j + 1])) {
        y = a[j]; a[j] = a[j + 1]; a[j + 1] = y;
        y = b[j]; b[j] = b[j + 1]; b[j + 1] = y;
      }
  return a[0];
}

int main(int c, char **v) {
  int i, o = 0;
  m = c > 1 ? atoi(v[1]) : 0;
  while (fgets(s, 4999, stdin)) {
    i = p(s);
    if (m == 1) o = w(1);
    if (m == 2) o = w(0);
    if (m == 3) { o = g(i); strcpy(t, s); }
    if (m > 3) goto e;
    for (z = 0; z < n; z++) printf("%d%c", a[z], b[z] == 7 ? '!' : ' ');
    printf("%d\n", o);
  }
e:
  return m > 3 ? 17 : 0;
}
