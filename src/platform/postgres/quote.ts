/** An SQL identifier in quotes. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** `schema.name`, both quoted. */
export const qualified = (schema: string, name: string): string => `${identifier(schema)}.${identifier(name)}`;

/** A text constant, for the places where SQL takes no parameter (DDL). */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
