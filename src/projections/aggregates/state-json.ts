/** What a state is written as: equal states, equal text. Decimals and 64-bit integers are text in it, instants milliseconds. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
