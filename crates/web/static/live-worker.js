// @ts-check
// One event stream for all tabs of this browser: browsers allow six connections a server, and a
// stream in every tab would use them up.
'use strict';

/** @type {Set<MessagePort>} */
const ports = new Set();
/** @type {EventSource | undefined} */
let source;
/** The last message of each kind that a new tab has to know.
 * @type {Map<string, {kind: string, data: string, id: string}>} */
const last = new Map();

function open() {
  source = new EventSource('/live/events');
  for (const kind of ['heartbeat', 'fleet', 'versions', 'resync']) {
    source.addEventListener(kind, (event) => {
      const message = { kind, data: event.data, id: event.lastEventId };
      if (kind === 'versions' || kind === 'heartbeat') last.set(kind, message);
      for (const port of ports) port.postMessage(message);
    });
  }
  source.onerror = () => {
    const isClosed = source?.readyState === EventSource.CLOSED;
    for (const port of ports) port.postMessage({ kind: isClosed ? 'closed' : 'lost', data: '', id: '' });
    // The browser comes again by itself unless it was refused: signed out, or the server is starting.
    if (isClosed) setTimeout(() => { if (ports.size && source?.readyState === EventSource.CLOSED) open(); }, 15_000);
  };
}

self.addEventListener('connect', (event) => {
  const port = /** @type {MessageEvent} */ (event).ports[0];
  ports.add(port);
  port.onmessage = (message) => {
    if (message.data === 'bye') {
      ports.delete(port);
      if (ports.size === 0) {
        source?.close();
        source = undefined;
        last.clear();
      }
    }
  };
  if (!source || source.readyState === EventSource.CLOSED) open();
  for (const message of last.values()) port.postMessage(message);
});
