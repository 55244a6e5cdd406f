import type { ServiceName } from '../../shared/rpc/client.js';
import type { MethodName, RequestInputOf, ResponseOf } from '../../shared/rpc/type.js';
import type { Html } from './html.js';

/** The API of the coordinator with the rights of who looks at a page. */
export interface PageApi {
  /** Errors: those of the method; HOST_UNREACHABLE and the like are shown as a page. */
  unary<Definition, M extends MethodName<Definition>>(service: ServiceName<Definition>, method: M, request: RequestInputOf<Definition[M & keyof Definition]>): Promise<ResponseOf<Definition[M & keyof Definition]>>;
}

/** Who looks. */
export interface Viewer {
  readonly name: string;
  /** '': a person who is no operator; they see themselves only. */
  readonly role: 'viewer' | 'operator' | 'admin' | '';
  readonly labels: readonly string[];
  /** Whether there is a person of this name, who has keys. */
  readonly person: boolean;
  /** For the page's own forms. */
  readonly formToken: string;
}

/** What is asked for. */
export interface PageRequest {
  readonly viewer: Viewer;
  /** Parts of the path, decoded, by name. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Path of this request without the base, e.g. "/host/web1". */
  readonly path: string;
  /** Prefix of all links: '' or e.g. "/reeve". */
  readonly base: string;
  /** Unix ms. */
  readonly now: number;
}

/** What is answered. */
export type PageAnswer =
  | { readonly kind: 'html'; readonly title: string; readonly main: Html; readonly status?: number }
  | { readonly kind: 'file'; readonly name: string; readonly type: 'text/csv; charset=utf-8' | 'application/json'; readonly body: string };

/** A page of the status page. */
export interface Page {
  /** E.g. "/host/:name"; a part with ":" is a parameter. */
  readonly path: string;
  /** Also for persons who are no operators. */
  readonly forAll?: boolean;
  readonly load: (api: PageApi, request: PageRequest) => Promise<PageAnswer>;
}
