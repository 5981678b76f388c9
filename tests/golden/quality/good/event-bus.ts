type Listener<Payload> = (payload: Payload) => void;

export type Unsubscribe = () => void;

export interface EventBusOptions {
  /** Receives errors thrown by listeners; the default rethrows them later. */
  onListenerError?: (error: unknown, event: PropertyKey) => void;
}

const rethrowLater = (error: unknown): void => {
  queueMicrotask(() => {
    throw error;
  });
};

/**
 * Synchronous publish/subscribe with a compile-time map of event payloads.
 *
 *     interface CartEvents {
 *       itemAdded: { sku: string; quantity: number };
 *       cleared: void;
 *     }
 *     const bus = new EventBus<CartEvents>();
 *     bus.on('itemAdded', ({ sku }) => refresh(sku));
 *     bus.emit('cleared');
 */
export class EventBus<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>();
  private readonly onListenerError: (error: unknown, event: PropertyKey) => void;

  constructor(options: EventBusOptions = {}) {
    this.onListenerError = options.onListenerError ?? rethrowLater;
  }

  on<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): Unsubscribe {
    const group = this.groupFor(event);
    // Wrapping gives every subscription its own identity, so registering the
    // same function twice needs two unsubscriptions.
    const subscription: Listener<Events[Name]> = (payload) => listener(payload);
    group.add(subscription as Listener<never>);
    return () => {
      group.delete(subscription as Listener<never>);
    };
  }

  once<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): Unsubscribe {
    const unsubscribe = this.on(event, (payload) => {
      unsubscribe();
      listener(payload);
    });
    return unsubscribe;
  }

  /** Resolves with the next payload, or rejects when `signal` aborts first. */
  next<Name extends keyof Events>(event: Name, signal?: AbortSignal): Promise<Events[Name]> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = () => {
        unsubscribe();
        reject(signal?.reason);
      };
      const unsubscribe = this.once(event, (payload) => {
        signal?.removeEventListener('abort', abort);
        resolve(payload);
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  emit<Name extends keyof Events>(
    event: Name,
    ...[payload]: Events[Name] extends void ? [] : [payload: Events[Name]]
  ): void {
    const group = this.listeners.get(event);
    if (group === undefined) {
      return;
    }
    // Iterate over a copy: listeners may subscribe or unsubscribe while running.
    for (const listener of [...group]) {
      try {
        (listener as Listener<Events[Name] | undefined>)(payload);
      } catch (error) {
        this.onListenerError(error, event);
      }
    }
  }

  listenerCount(event: keyof Events): number {
    return this.listeners.get(event)?.size ?? 0;
  }

  private groupFor(event: keyof Events): Set<Listener<never>> {
    let group = this.listeners.get(event);
    if (group === undefined) {
      group = new Set();
      this.listeners.set(event, group);
    }
    return group;
  }
}
