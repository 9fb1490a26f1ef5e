/** Greedy up to the last `@`, because a password may hold one; a quote ends it, so that JSON stays JSON. */
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s:/@"]*:)(?:[^\s"\\]|\\.)*@/gi;
const PARAMETER = /([?&](?:password|sslpassword)=)[^&\s"']+/gi;

/** The text with the passwords of addresses replaced by `***`. */
export const maskSecrets = (text: string): string => text.replaceAll(URL_PASSWORD, '$1***@').replaceAll(PARAMETER, '$1***');
