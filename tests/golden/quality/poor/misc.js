var x, y, tmp, tmp2, data2, flag = 0, flag2 = false;

function fn1(a, b, c, d) {
  var r = [];
  for (var i = 0; i < a.length; i++) {
    if (b == 1 ? a[i].v > c : b == 2 ? a[i].v < c : b == 3 ? a[i].v == c : true) {
      if (!d || a[i].f & 4) { r.push(a[i]); flag = i }
      else if (d == 2) r.unshift(a[i])
    }
  }
  return r
}

function fn2(a) {
  var o = {}, k
  for (k in a) {
    if (k.charAt(0) == '_') continue
    if (typeof a[k] == 'object') o[k] = fn2(a[k])
    else if (typeof a[k] == 'string' && !isNaN(a[k])) o[k] = +a[k]
    else o[k] = a[k]
  }
  tmp = o
  return o
}

function doIt(p, q) {
  x = p.split('|')
  y = []
  for (var i = 0; i < x.length; i++) {
    var e = x[i].split(':')
    if (e.length == 2) y.push({ n: e[0], v: parseInt(e[1]), f: 0 })
    if (e.length == 3) y.push({ n: e[0], v: parseInt(e[1]), f: parseInt(e[2], 16) })
    if (e.length > 3) { flag2 = true; break }
  }
  if (q & 1) y = fn1(y, 1, 10, 0)
  if (q & 2) y = fn1(y, 2, 99, 1)
  if (q & 4) y.sort(function (a, b) { return a.v - b.v || (a.n > b.n ? 1 : -1) })
  if (q & 8) tmp2 = fn3(y)
  else tmp2 = y
  return tmp2
}

function fn3(l) {
  var s = 0, z = {}, w
  for (var i = 0; i < l.length; i++) {
    s += l[i].v
    w = l[i].n.substr(0, 2)
    z[w] = (z[w] || 0) + l[i].v * (l[i].f & 1 ? -1 : 1)
  }
  z['*'] = s
  data2 = z
  return fn2(z)
}

function fn4() {
  if (flag2) return -1
  if (flag > 3) { flag = 0; return fn4() }
  return data2 ? data2['*'] >> 1 : tmp ? 1 : 0
}

module.exports = { doIt: doIt, r: fn4, f: fn1, f2: fn2 }
