import type { CompatibilityMode } from './schema-registry';

/** One reason why a schema does not get along with a registered one. */
export interface SchemaBreak {
  /** The registered schema. */
  readonly id: number;
  /** `backward`: what was written with the registered schema could not be read any more; `forward`: its readers could not read what is written now. */
  readonly direction: 'backward' | 'forward';
  /** Path of the field; empty for the event itself. */
  readonly field: string;
  readonly reason: string;
}

/** What a registry knows of the schema of one event type, and what registering it would mean. */
export interface SchemaVerdict {
  /** Name and version of the event type. */
  readonly type: string;
  readonly version: number;
  readonly subject: string;
  /** `unregistered`: the subject is not known; `identical`: registered as it is; else it differs from what is registered. */
  readonly state: 'unregistered' | 'identical' | 'compatible' | 'incompatible';
  /** Of the identical schema. */
  readonly id?: number;
  /** What the registry demands. Whatever that is, everything registered has to stay readable: a replay reads it all. */
  readonly mode: CompatibilityMode;
  /** What the event type demands; both count. */
  readonly compatibility: CompatibilityMode;
  /** How it differs from the schema registered last, in words. */
  readonly changes: readonly string[];
  readonly breaks: readonly SchemaBreak[];
}

/** A schema in the registry. */
export interface SchemaRegistration {
  readonly type: string;
  readonly version: number;
  readonly subject: string;
  readonly id: number;
  /** False where it had been registered before. */
  readonly added: boolean;
  /** The mode that the subject was given, where it had another. */
  readonly modeSet?: CompatibilityMode;
}

export interface RegisterOptions {
  /** Gives each subject in the registry the compatibility mode of its event type. @defaultValue false: configurations are left alone */
  readonly setCompatibility?: boolean;
}

/** `field amount: string cannot be read as int (schema id 7)`. */
export const breakText = ({ id, direction, field, reason }: SchemaBreak): string =>
  `${field === '' ? '' : `field ${field}: `}${reason} (${direction === 'backward' ? 'written' : 'read'} with schema id ${String(id)})`;
