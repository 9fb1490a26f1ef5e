import type { AnyCommand } from './command';
import type { StreamId } from './journal';

/** What middleware sees of a command under way. */
export interface CommandContext extends StreamId {
  readonly command: AnyCommand;
  readonly commandId: string;
  readonly correlationId: string;
}
