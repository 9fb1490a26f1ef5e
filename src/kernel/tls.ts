/** Codes of Node and OpenSSL for a handshake that failed or a certificate that is not trusted. */
const TLS_CODE = /^(ERR_SSL_|ERR_TLS_|EPROTO$|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;
/** What Node says with the code of a broken connection. */
const TLS_MESSAGE = /before secure TLS connection was established|wrong version number/;

/** Whether this error, or one that caused it, is about TLS. */
export const isTlsError = (error: unknown): boolean => {
  if (typeof error !== 'object' || error === null) {
    return false;
  }
  const { code, message, cause } = error as { readonly code?: unknown; readonly message?: unknown; readonly cause?: unknown };
  return TLS_CODE.test(String(code)) || TLS_MESSAGE.test(String(message)) || isTlsError(cause);
};
