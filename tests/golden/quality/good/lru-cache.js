'use strict';

/**
 * A bounded cache that evicts the least recently used entry and, optionally,
 * treats entries older than a maximum age as absent.
 *
 * Recency is tracked through the insertion order of a Map: touching an entry
 * deletes and re-inserts it, so the first key is always the stalest one.
 *
 * @template K, V
 */
class LruCache {
  /**
   * @param {object} options
   * @param {number} options.capacity  Maximum number of entries, at least 1.
   * @param {number} [options.maxAgeMs]  Entries expire after this long.
   * @param {() => number} [options.now]  Clock, replaceable in tests.
   * @param {(key: K, value: V) => void} [options.onEvict]
   *   Called for entries pushed out by the capacity limit, not for expiry.
   */
  constructor({ capacity, maxAgeMs = Infinity, now = Date.now, onEvict = () => {} }) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(`capacity must be a positive integer, got ${capacity}`);
    }
    this._capacity = capacity;
    this._maxAgeMs = maxAgeMs;
    this._now = now;
    this._onEvict = onEvict;
    this._entries = new Map();
  }

  get size() {
    return this._entries.size;
  }

  /** Returns the live value for `key` and marks it as recently used. */
  get(key) {
    const entry = this._live(key);
    if (entry === undefined) {
      return undefined;
    }
    this._entries.delete(key);
    this._entries.set(key, entry);
    return entry.value;
  }

  /** Like `get`, but leaves the eviction order alone. */
  peek(key) {
    return this._live(key)?.value;
  }

  has(key) {
    return this._live(key) !== undefined;
  }

  set(key, value) {
    this._entries.delete(key);
    this._entries.set(key, { value, storedAt: this._now() });
    if (this._entries.size > this._capacity) {
      this._evictOldest();
    }
    return this;
  }

  delete(key) {
    return this._entries.delete(key);
  }

  /**
   * Returns the cached value or computes, stores and returns a new one.
   * Concurrent callers for the same key share a single pending promise, and a
   * rejected promise is dropped so that the next caller may try again.
   *
   * @param {K} key
   * @param {(key: K) => Promise<V>} load
   * @returns {Promise<V>}
   */
  fetch(key, load) {
    const cached = this.get(key);
    if (cached !== undefined) {
      return Promise.resolve(cached);
    }
    const pending = Promise.resolve()
      .then(() => load(key))
      .catch((error) => {
        if (this.peek(key) === pending) {
          this.delete(key);
        }
        throw error;
      });
    this.set(key, pending);
    return pending;
  }

  /** Drops every expired entry and returns how many were removed. */
  prune() {
    const before = this._entries.size;
    for (const key of [...this._entries.keys()]) {
      this._live(key);
    }
    return before - this._entries.size;
  }

  _live(key) {
    const entry = this._entries.get(key);
    if (entry !== undefined && this._now() - entry.storedAt >= this._maxAgeMs) {
      this._entries.delete(key);
      return undefined;
    }
    return entry;
  }

  _evictOldest() {
    const [key, entry] = this._entries.entries().next().value;
    this._entries.delete(key);
    this._onEvict(key, entry.value);
  }
}

module.exports = { LruCache };
