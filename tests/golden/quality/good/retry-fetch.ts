export interface RetryPolicy {
  attempts: number;
  baseDelayMs: number;
  maxDelayMs: number;
  isRetryable: (response: Response) => boolean;
}

const DEFAULT_POLICY: RetryPolicy = {
  attempts: 4,
  baseDelayMs: 250,
  maxDelayMs: 10_000,
  isRetryable: ({ status }) => status === 429 || status >= 500,
};

const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export class RetriesExhausted extends Error {
  override readonly name = 'RetriesExhausted';

  constructor(
    readonly url: string,
    readonly attempts: number,
    options: { cause: unknown },
  ) {
    super(`giving up on ${url} after ${attempts} attempts`, options);
  }
}

export async function retryFetch(
  url: string,
  init: RequestInit = {},
  overrides: Partial<RetryPolicy> = {},
): Promise<Response> {
  const policy = { ...DEFAULT_POLICY, ...overrides };
  if (!IDEMPOTENT_METHODS.has((init.method ?? 'GET').toUpperCase())) {
    return fetch(url, init);
  }

  let lastFailure: unknown;
  for (let attempt = 1; attempt <= policy.attempts; attempt += 1) {
    let serverDelayMs: number | undefined;
    try {
      const response = await fetch(url, init);
      if (!policy.isRetryable(response)) {
        return response;
      }
      lastFailure = response;
      serverDelayMs = parseRetryAfter(response.headers.get('Retry-After'), Date.now());
    } catch (error) {
      if (init.signal?.aborted) {
        throw error;
      }
      lastFailure = error;
    }

    if (attempt < policy.attempts) {
      await sleep(serverDelayMs ?? jitteredBackoff(attempt, policy), init.signal);
    }
  }
  throw new RetriesExhausted(url, policy.attempts, { cause: lastFailure });
}

/** `Retry-After` holds either whole seconds or an HTTP date. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) {
    return undefined;
  }
  if (/^\d+$/.test(header)) {
    return Number(header) * 1000;
  }
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

function jitteredBackoff(attempt: number, policy: RetryPolicy): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (attempt - 1));
  return Math.random() * ceiling;
}

function sleep(delayMs: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
