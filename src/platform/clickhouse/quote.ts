/** An SQL identifier in backticks. */
export const identifier = (name: string): string => `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;

/** `database.name`, both quoted. */
export const qualified = (database: string, name: string): string => `${identifier(database)}.${identifier(name)}`;

/** A text constant, for the places where SQL takes no parameter (DDL). */
export const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
