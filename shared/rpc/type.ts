import type { MethodDefinition } from '@grpc/proto-loader';

export type { ErrorDetails, ErrorDetailsInput } from '../gen/proto/reeve/type/v1/ErrorDetails.js';

/** The names a generated definition declares, without its index signature. */
export type MethodName<Definition> = keyof { [K in keyof Definition as string extends K ? never : K]: true } & string;

/** What the server gets for a method. */
export type RequestOf<Method> = Method extends MethodDefinition<infer _In, infer _Out, infer Request, infer _Response> ? Request : never;

/** What the client sends for a method. */
export type RequestInputOf<Method> = Method extends MethodDefinition<infer In, infer _Out, infer _Request, infer _Response> ? In : never;

/** What the client gets from a method. */
export type ResponseOf<Method> = Method extends MethodDefinition<infer _In, infer _Out, infer _Request, infer Response> ? Response : never;

/** What the server answers for a method. */
export type ResponseInputOf<Method> = Method extends MethodDefinition<infer _In, infer Out, infer _Request, infer _Response> ? Out : never;
