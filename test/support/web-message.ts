/** A request that a client in the lab's network makes. */
export interface WebAsk {
  /** Where the connection goes. */
  readonly address: string;
  readonly port: number;
  /** Over TLS: the name that is asked for (SNI); no certificate is refused. */
  readonly tls?: { readonly name: string; readonly cert?: string; readonly key?: string };
  /** The Host header. */
  readonly host: string;
  readonly method?: string;
  /** Exactly as it is sent. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly body?: string;
  /** Asks for a websocket, sends this text, and waits for one frame. */
  readonly websocket?: string;
}

/** What came back. */
export interface WebAnswer {
  /** 0: nothing did, see `error`. */
  readonly status: number;
  /** Header names in lower case; several of one name are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly error: string;
  /** Of the server's certificate: subjectAltName and SHA-256 fingerprint. */
  readonly certificate?: { readonly names: string; readonly fingerprint: string };
  /** The frame of a websocket. */
  readonly frame?: string;
}

/** Sites that are asked again and again until it is stopped. */
export interface WebPoll {
  readonly sites: readonly { readonly host: string; readonly address: string; readonly port: number; readonly tls: boolean; /** What the body has to be. */ readonly body: string }[];
  /** Clients side by side: some make a connection for each request, the others keep theirs. */
  readonly fresh: number;
  readonly kept: number;
  /** Requests a second, of all together. */
  readonly perSecond: number;
}

/** What polling saw. */
export interface WebPolled {
  readonly requests: number;
  /** Requests of kept connections that were repeated on a new one, because the server had just closed the idle one. */
  readonly repeated: number;
  readonly failed: readonly { readonly host: string; readonly atMs: number; readonly kept: boolean; readonly why: string }[];
}

/** What the client is to do. */
export type WebTask = { readonly ask: WebAsk } | { readonly poll: WebPoll } | { readonly stop: true };

/** A line to the client. */
export type WebOrder = { readonly id: number } & WebTask;

/** A line from it. */
export interface WebReply {
  readonly id: number;
  readonly answer?: WebAnswer;
  readonly polled?: WebPolled;
}
