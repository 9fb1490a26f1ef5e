/**
 * Every error of refold has a code from this table, the facts that say where it happened, and a sentence
 * that says what to do. `retryable` says whether the same call may succeed later without a change.
 */
export interface ErrorCodeEntry {
  readonly retryable: boolean;
  /** What it means, one sentence; the first column of the documentation. */
  readonly meaning: string;
  /** What the reader should do next. */
  readonly remedy: string;
}

const entry = (meaning: string, remedy: string, retryable = false): ErrorCodeEntry => ({ meaning, remedy, retryable });

/** The one table of error codes; `docs/reference/errors.md` is generated from it. */
export const ERROR_CODES = {
  'config.invalid': entry(
    'A configuration value is missing, malformed or unknown.',
    'Correct the value named in the message; `refold --help` lists the flags.',
  ),
  'config.app-not-found': entry(
    'The application module could not be found or does not export an application.',
    'Pass --app FILE, or put a refold.config.ts with a default export { app } in the working directory.',
  ),
  'config.app-failed': entry('The application module threw while it was loaded.', 'Correct the module at the place named; nothing was connected yet.'),
  'cli.usage': entry('The command line could not be understood.', '`refold --help` lists the commands and flags.'),
  'definition.invalid': entry('The application is defined wrongly; every fault found is listed.', 'Correct the classes named in the message.'),
  'decimal.invalid': entry(
    'A text or number is not a decimal, or does not fit the scale.',
    'Pass digits with at most the declared number of decimals, or round explicitly.',
  ),
  'duration.invalid': entry('A duration could not be read.', "Write milliseconds as a number, text like '1 day' or '90 seconds', or ISO 8601 like 'PT1H30M'."),
  'window.invalid': entry(
    'Windows are defined in a way that cannot work: an advance beyond the size, an unknown time zone and so on.',
    'Correct the option named in the message.',
  ),
  'event.not-registered': entry('An event class or type name is not registered with the application.', 'Add the class to the events of defineApp.'),
  'event.unknown-type': entry(
    'A record names an event type that nobody registered.',
    'Deploy the code that knows it; the partition goes on from there and nothing is lost. Or register the event type, or read past such events with `unknownEvents: "ignore"`.',
  ),
  'event.newer-version': entry(
    'A record was written in a version of its event type that this code does not know and cannot read.',
    'Deploy the newer code to readers too; the partition goes on from there and nothing is lost.',
  ),
  'event.undecodable': entry('A record could not be decoded.', 'Look at the record at the position named; correct the producer or the reader schema.'),
  'event.wrong-magic-byte': entry(
    'A record does not begin with the byte 0x00 of the Confluent wire format.',
    'Check which producer wrote to this topic; it must write Avro in the Confluent wire format.',
  ),
  'event.unknown-schema-id': entry(
    'The schema id of a record is not known to the registry.',
    'Check that application and producer use the same registry, and that it was not restored from an older backup.',
  ),
  'event.invalid': entry(
    'An event does not fit its schema, its key is empty or its time is not a date.',
    'Correct the event before it is appended; nothing was written.',
  ),
  'event.too-far-ahead': entry(
    'An event is dated further ahead of its record than its windows allow (`maxAhead`); it was set aside and stream time does not count it.',
    'Correct the clock of the producer; replace the event by an erratum with the right time, or discard it: `refold parked discard`.',
  ),
  'event.foreign-topic': entry(
    'An event belongs to a topic that others write; nothing was written.',
    'Append it to a topic of your own: give the event type another topic.',
  ),
  'command.unknown': entry('No aggregate decides a command of this class.', 'Add the aggregate that decides it to the aggregates of defineApp.'),
  'command.invalid': entry('A command does not fit its schema, or names no stream.', 'Correct the command; nothing was written.'),
  'command.id-reused': entry(
    'A command id was used again for another command.',
    'Give every command an id of its own; repeat an id only to repeat the same command.',
  ),
  'command.conflict': entry(
    'Other commands changed the stream each time the command was decided; nothing was written.',
    'Give the command again, or divide the stream: one that so many write to at once is too large.',
    true,
  ),
  'decision.invalid': entry('What an aggregate decided cannot be written; nothing was written.', 'Correct the handler named in the message.'),
  'import.no-aggregate': entry(
    'An event that is to be imported belongs to no aggregate; the batch was not written.',
    'Import the events of aggregates; append others with `emit`.',
  ),
  'import.conflict': entry(
    'A stream that an import wants to begin or go on with holds other events; the batch was not written, earlier ones were.',
    'Import before the first command of a stream, and under one id only.',
  ),
  'import.changed': entry(
    'An import was repeated with other events, another order or another size of batches.',
    'Give the same events in the same order, or give the import another id.',
  ),
  'relay.lease-held': entry('Another process is relaying the journal of this application.', 'Nothing: it is taken over when that process ends.', true),
  'relay.log-unsettled': entry(
    'A transaction of another producer hides the end of the log, so the relay cannot tell what was published before it began.',
    'Nothing: it goes on when that transaction ends; look for a producer that hangs if it stays.',
    true,
  ),
  'relay.partly-published': entry(
    'The log holds some events of a batch that was published as a whole; the log has lost records.',
    'Restore the log. Nothing more is published before, because the order of a stream would be lost.',
  ),
  'schema.unreachable': entry('The schema registry did not answer.', 'Check the address of the registry and that it runs.', true),
  'schema.unauthorized': entry(
    'The schema registry refused the credentials, or what they may do.',
    'Check user and password (`REFOLD_REGISTRY_USER`, `REFOLD_REGISTRY_PASSWORD`, or in the URL) or token (`REFOLD_REGISTRY_TOKEN`), and what the registry allows them.',
  ),
  'schema.failed': entry(
    'The schema registry refused a request, or does not answer like a Confluent registry.',
    'Check the address with its path (Apicurio: /apis/ccompat/v7) and read what the registry says.',
  ),
  'schema.incompatible': entry(
    'The schema of an event type does not get along with what is registered; nothing was registered.',
    'Undo the change or give the field a default; else raise the version of the event type and write an upcaster.',
  ),
  'schema.unregistered': entry(
    'The schema of an event type is not registered, and an application does not register by itself in this registry.',
    'Run `refold schemas check`, then `refold schemas register` or `refold migrate`.',
  ),
  'schema.kept-unreadable': entry(
    'A schema or its samples, kept in the repository, cannot be read.',
    'Restore the file named from version control; `refold schemas record` writes new ones only.',
  ),
  'schema.id-reassigned': entry(
    'A schema id means another schema than it did when this application first saw it.',
    'Check that the registry is the one of this log and was not restored from an older backup; restore the newer one. Nothing was decoded with the wrong schema.',
  ),
  'log.unreachable': entry('The event log did not answer.', 'Check the addresses and that the broker or database runs.', true),
  'log.access-denied': entry(
    'The broker answered and refused: user name, password or mechanism are wrong, or this user may not do what was asked.',
    'Correct `kafka.sasl` (REFOLD_KAFKA_SASL, REFOLD_KAFKA_USERNAME, REFOLD_KAFKA_PASSWORD), or what the broker allows this user.',
  ),
  'log.tls-failed': entry(
    'The broker could not be connected to with TLS.',
    'If this port speaks no TLS, set `kafka.ssl` to false or take another port; if its certificate is not trusted, give its authority (`kafka.ssl.ca`) or correct the host name.',
  ),
  'log.unknown-topic': entry('A topic does not exist.', 'Run `refold migrate`, which creates the topics of the application.'),
  'log.unknown-partition': entry('A partition does not exist.', 'Check the number of partitions of the topic.'),
  'log.topic-mismatch': entry(
    'A topic exists with another number of partitions than declared.',
    'Declare the number the topic has; partitions cannot be taken away and adding some moves keys.',
  ),
  'log.append-failed': entry(
    'Records could not be appended; they may or may not have been written.',
    'Read the tail of the partition before appending them again. For Kafka the facts tell them apart by their place in the call: `written`, `mayBeWritten`; the others were not.',
  ),
  'log.record-too-large': entry(
    'A record is larger than the log takes; nothing was written.',
    'Make the event smaller, or raise the limit of the topic (`max.message.bytes`).',
  ),
  'log.record-refused': entry(
    'The broker refuses a record, or the topic does not take such records; nothing was written.',
    'The type of the error in the facts says what is refused: a timestamp beyond the limits of the topic, a codec that the broker does not know, a rule of the cluster.',
  ),
  'log.not-enough-replicas': entry(
    'Too few replicas of the partition are in sync; nothing was written.',
    'Bring the missing brokers back, then append again; or lower `min.insync.replicas` of the topic, and with it what survives a lost broker.',
    true,
  ),
  'log.truncated': entry(
    'A position lies outside of what the log still holds.',
    'The log was shortened by retention or recreated. Restore it, or rebuild the projection with `refold replay start`.',
  ),
  'log.rewound': entry(
    'The log at a checkpoint holds another record than the one that was folded.',
    'The topic was recreated or rewound. Restore it, or rebuild the projection with `refold replay start`.',
  ),
  'log.batch-unreadable': entry(
    'A batch of the log is compressed in a way that is not known, or its bytes are broken.',
    "Look at the batch at the position named with Kafka's tools (`kafka-dump-log`) and restore it, from another replica for one; nothing behind it is read.",
  ),
  'log.codec-missing': entry(
    'The package that a compression needs could not be loaded.',
    'Install it for this platform as the message says: its binaries are optional packages, which `npm install --omit=optional` leaves out. To write without it set `kafka.compression` to none or gzip.',
  ),
  'log.topic-not-empty': entry('A topic that has to be empty holds records.', 'Use another topic or an empty log.'),
  'log.consumer-crashed': entry(
    'The consumer of the log stopped for a reason that cannot be retried.',
    'Read the cause; the process ends so that its supervisor can start it again.',
  ),
  'log.consumer-stalled': entry(
    'Nothing was taken from a subscription for so long that its partitions were given to others.',
    'Look for what keeps the worker from folding: a database that does not answer, a handler that does not end.',
    true,
  ),
  'store.unreachable': entry('The database did not answer.', 'Check the host and port of its address and that it runs.', true),
  'store.access-denied': entry(
    'The database answered and refused the connection: user, password or database are wrong, or it has no rule that lets this client in.',
    'Correct user, password and database in the address, or what the database allows (pg_hba.conf).',
  ),
  'store.tls-failed': entry(
    'The database could not be connected to with TLS.',
    'If it speaks no TLS, leave sslmode out of the address; if its certificate is not trusted, give sslrootcert or correct the host name.',
  ),
  'store.value-refused': entry(
    'The database cannot hold a value that it was given.',
    'Correct what computed the value, a handler for one, or widen its column in a new version of the projection; what is parked can be redriven then (`refold parked redrive`), a partition that stopped goes on from the position named.',
  ),
  'store.conflict': entry(
    'A transaction lost against another one (deadlock, serialization or a lock that was not to be had) and was rolled back.',
    'Nothing if refold repeats it; else give the same command again, and look for long transactions of others if it stays.',
    true,
  ),
  'store.read-only': entry(
    'A statement of `db` was refused, because its role may only read the views.',
    'Rows are written by projections alone: change the projection. If it was to read, grant its role SELECT on the view and USAGE on its schema.',
  ),
  'store.failed': entry('The database refused a statement.', 'Read the cause named in the message.'),
  'store.not-migrated': entry('The control schema is missing or older than this version of refold.', 'Run `refold migrate`.'),
  'store.breaking-migration': entry(
    'The control schema is to be changed in a way that running workers of before do not understand.',
    'Stop the workers named, run `refold migrate`, and start the new version. `refold migrate --breaking` does not wait for them.',
  ),
  'store.too-new': entry('The control schema was made by a newer version of refold.', 'Upgrade refold in this process.'),
  'store.schema-drift': entry(
    'A table differs from what its read model declares.',
    'Undo the change to the table named in the message, or replay the projection.',
  ),
  'store.name-taken': entry(
    'A table or view that refold did not make has the name of the read model.',
    'Rename it or the read model; refold never replaces what is not its own.',
  ),
  'index.invalid': entry('An index cannot be made of the columns named.', 'Name columns of the read model that are not indexed yet; nothing was recorded.'),
  'store.ahead-of-log': entry(
    'A store holds rows of positions that its checkpoint has not reached, or its checkpoint lies beyond the end of the log.',
    'The control schema or the log was restored from an older backup, the topic was made anew, or somebody else writes to the table. Restore what is missing, or replay the projection.',
  ),
  'store.repeat-differs': entry(
    'A batch that was in doubt is folded otherwise than the first time.',
    'Deploy the code that folded it, or replay the projection: the rows of that batch may have been written already.',
  ),
  'row.key-mismatch': entry(
    'A row-fold returned a row whose key is not the key of the event.',
    'Return the row of the event key, or use measures to group by something else.',
  ),
  'row.invalid': entry('A handler returned a value that does not fit its column.', 'Correct the handler.'),
  'key.moved': entry(
    'An event arrived in another partition than the row of its key was built from.',
    'The number of partitions of the topic was changed, and some producers learnt of it late: see `docs/how-to/add-partitions.md`. Or its producers spread a key over partitions: correct them, or group by measures, which need no order.',
  ),
  'group.spread': entry(
    'Events of one group lie in several partitions, and what its windows or aggregates keep lies with one.',
    'Group by the event key (or by what decides the partition, `partitionKey`), put the events on a topic with one partition, or use measures that a store can add up in windows of time: count, countIf, sum, min, max, every and some. Where the number of partitions was changed, see `docs/how-to/add-partitions.md`.',
  ),
  'partitions.not-accepted': entry(
    'A topic has got partitions, and rows are folded from it by key, which may have moved to them.',
    'When all producers know the new partitions, `refold partitions accept TOPIC --reason ...`; folding goes on by itself then.',
  ),
  'partitions.nothing-added': entry(
    'No generation lacks a partition of the topic.',
    'Check the name of the topic; new partitions are noticed by workers within their time of looking around.',
  ),
  'partitions.passed': entry(
    'A generation has folded events of partitions that nobody had accepted.',
    'Abort the replay that made it (`refold replay abort`), accept the partitions, and start it again.',
  ),
  'errata.invalid': entry('An erratum has no reason, or its replacement cannot stand at its position.', 'Correct the request; nothing was recorded.'),
  'errata.event-not-found': entry(
    'The event that an erratum is about is not in the log.',
    'Check the id or position (topic:partition:offset); nothing was recorded.',
  ),
  'errata.event-ambiguous': entry(
    'Several records of the log have the id that an erratum names.',
    'Name the event by its position, one of those in the message; give each of them an erratum if all are wrong.',
  ),
  'errata.key-changed': entry(
    'A replacement has another key than the event it replaces.',
    'Skip the event, and append the right one: the order of events holds per key only.',
  ),
  'errata.event-changed': entry(
    'The log holds another event at the position of an erratum than the one it was recorded for.',
    'The topic was recreated or rewound. Restore it; or withdraw the errata of its old events (`refold errata list`) and start a replay.',
  ),
  'errata.unknown': entry('There is no erratum of this version.', '`refold errata list` shows the errata.'),
  'errata.not-in-force': entry(
    'An erratum that is to be withdrawn was replaced by a newer one, or is withdrawn already.',
    '`refold errata list` shows which is in force.',
  ),
  'handler.failed': entry(
    'A handler threw.',
    'Correct the handler; deploy it as a new version of the projection if events were folded wrongly already. What is parked can be redriven then (`refold parked redrive`), a partition that stopped goes on from the position named.',
  ),
  'handler.impure': entry(
    'A handler asks a clock or chance, or changes the event or row that it was given, so a replay makes other rows.',
    'Take time, id and position from the event or from the context that handlers are given; return a new row instead of changing one.',
  ),
  'handler.row-missing': entry(
    'An event arrived for a row that does not exist, and its handler says that such an event is to be parked.',
    'Check the order in which events of this key were written.',
  ),
  'parking.full': entry(
    'An event is to be parked, and its partition holds as many parked events as its limits allow.',
    'Deal with what is parked (`refold parked list`) or raise the limits (parkedSequences, parkedEvents, parkedAgeMs), or let it overflow (overflow: "log"): the partition goes on from the position named, by itself once there is room.',
  ),
  'late.not-mergeable': entry(
    'Late contributions are to count after all in a model whose rows cannot be added to: sessions, sliding windows, aggregates that keep more than their value.',
    'Give the windows a longer grace in a new version and replay it; what was late is folded in its place then.',
  ),
  'late.unknown': entry('No late contribution is like that.', '`refold late list` shows what came too late.'),
  'late.reason-missing': entry('Late contributions are to count after all without a reason.', 'Say why; it is kept with the decision.'),
  'parked.record-lost': entry(
    'The record of a parked event, of which only the position is kept, is not there any more.',
    'Discard the event, or bring the topic back; the retention of a topic whose parked events overflow has to outlast them.',
  ),
  'parked.unknown': entry('There is no such parked sequence.', '`refold parked list` shows what is parked.'),
  'parked.ambiguous': entry('Several parked sequences are meant where one has to be.', 'Say more: projection, key, store; the sequences stand in the message.'),
  'parked.reason-missing': entry('An event is to be discarded without a reason.', 'Say why; it is kept with the decision.'),
  'parked.applied-elsewhere': entry(
    'An event that is to be discarded was folded by another generation of the projection.',
    'Redrive it, or say by `refold errata add --skip` that it never was and replay. A generation that is not needed any more can be retired first.',
  ),
  'projection.unknown': entry(
    'No projection with this name and version is announced or built.',
    'Check the name; `refold projections list` shows what exists.',
  ),
  'projection.not-active': entry(
    'The projection has no active generation yet, so its view does not exist.',
    'Start a worker with `refold run` and wait until the first generation has reached the head of the log. Where `refold projections list` shows an active one, its view is gone: `refold replay start NAME --again` and `refold replay cutover` make it anew.',
  ),
  'reactor.unknown': entry('No reactor has this name.', 'Check the name; `refold reactors list` shows what exists.'),
  'reactor.timed-out': entry(
    'A handler of a reactor did not end in time; whether its effect took place is not known.',
    'It is tried again with the same dedupe key. Give what it calls a shorter time-out, or the reactor a longer one (`retry.timeoutMs`).',
    true,
  ),
  'projection.not-deterministic': entry(
    'Folding the same events in another order of partitions, in other batches or after a restart made other rows.',
    'Make rows of nothing but the event, its row and the context: no clock, no chance, no variable that outlives a call.',
  ),
  'projection.paused': entry(
    'A projection is paused, so nothing that needs it to go on can be done.',
    '`refold projections resume NAME`, then give the same command again.',
  ),
  'projection.behind': entry(
    'A read model has not come to positions of the log within the time that the caller gave it.',
    'Read without what was written, or wait again; `refold lag show` says whether workers and relay run.',
    true,
  ),
  'generation.definition-changed': entry(
    'The code of a projection differs from what its generation was built with.',
    'Undo the change, or raise the version of the projection and start a replay.',
  ),
  'generation.not-provisioned': entry(
    'The table of a candidate generation does not exist yet.',
    'Nothing: the worker begins as soon as the replay has made it.',
    true,
  ),
  'generation.not-running': entry('A generation was retired while a worker still folded it.', 'Nothing: the worker stops folding it.'),
  'hold.timed-out': entry(
    'A worker did not arrive at the common position in time; the hold was lifted.',
    'Check the worker and generation named; then give the same command again.',
    true,
  ),
  'hold.lost': entry('The hold expired before the step inside of it was done; nothing was changed.', 'Give the same command again.', true),
  'replay.unknown': entry('There is no such replay.', '`refold replay list` shows the replays.'),
  'replay.wrong-state': entry(
    'The replay is not in a state in which this command is legal.',
    'See `refold replay status` for its state and the commands that are legal there.',
  ),
  'replay.candidate-exists': entry(
    'The projection already has a candidate generation.',
    'Go on with the open replay, which `refold replay list` shows, or abort it first.',
  ),
  'replay.no-worker': entry(
    'No live worker has announced code that can fold a side of the replay.',
    'Start a worker (`refold run`) whose code contains both versions.',
    true,
  ),
  'replay.log-incomplete': entry(
    'The log does not begin at offset zero, so a replay cannot rebuild everything.',
    'Restore the log; records lost to retention or compaction cannot be replayed. Or accept that they are missing: `--accept-incomplete TOPIC`.',
  ),
  'replay.refused': entry('Several things stand in the way of a replay; all of them are listed.', 'Correct each of them; nothing was made.'),
  'replay.no-room': entry(
    'There is less room in a store than what readers see takes there now.',
    'Make room, or retire what is not needed any more: `refold replay retire --now`.',
  ),
  'replay.not-behind': entry('The requested version is what is active already.', 'Ask for another version, or use --again to rebuild the same one.'),
  'replay.lease-held': entry('Another process is coordinating this replay.', 'Wait until it ends, or follow it with `refold replay status`.', true),
  'replay.stopped': entry(
    'A partition of the candidate stopped with an error, so the replay cannot go on.',
    'Correct what the message names; the worker goes on by itself, then give the same command again.',
  ),
  'replay.verdict-changed': entry(
    'The replay was compared again after the verdict that was to be approved.',
    'Look at the new verdict with `refold replay diff` and approve that one.',
  ),
  'cutover.incompatible-columns': entry(
    'The columns of the candidate cannot replace those of the active view.',
    'Keep the existing columns and add new ones at the end, or give the changed read model a new name; or let clients notice, with --breaking: the message says which of their statements fail.',
  ),
  'cutover.lock-timeout': entry(
    'The view could not be locked in time because of long-running statements of others.',
    'Wait for the statements to end, then give the same command again.',
    true,
  ),
  'cutover.old-snapshots': entry(
    'Transactions of others would see the table to switch to as it was when they began: empty, or older than what readers know.',
    'Wait for the transactions named to end, or end them; then give the same command again.',
    true,
  ),
  'cutover.dependents': entry(
    'Something would be lost by making the view anew, or stay behind with the former table.',
    'Drop what the message names and make it again after the cutover; or keep the columns of the view.',
  ),
  'cutover.more-parked': entry(
    'Events of some keys are parked in the generation to switch to and folded in the one that readers see: they are missing in its rows.',
    'See `refold parked list` and redrive or discard them; or cut over all the same with --allow-parked.',
  ),
  'cutover.rules-failed': entry(
    'The comparison of the replay breaks rules that were given for it.',
    'See `refold replay diff`; correct the projection, or compare again under other rules with `refold replay verify`, or let somebody answer for it: `refold replay approve`.',
  ),
  'cutover.behind': entry('The generation to switch to is not held at the position of the other one.', 'Give the same command again.', true),
  'service.unavailable': entry(
    'A service that was asked for could not be found or started.',
    'Read the cause; give an address by environment or configuration, or install what the message names.',
  ),
  'repair.selection-invalid': entry(
    'What is to be repaired cannot be understood.',
    'Correct the keys, times, partition or condition named in the message; nothing was changed.',
  ),
  'repair.selection-unsupported': entry(
    'What is to be repaired cannot be chosen in this way for a model of this kind.',
    'Choose it by --keys, --where or --all, or rebuild the model: `refold replay start NAME --again`.',
  ),
  'repair.parked': entry(
    'Parked events of a row that is to be repaired are not parked when its events are folded again, or the other way round; the row was left as it is.',
    'Redrive them (`refold parked redrive`) or discard them, then give the same command again.',
  ),
  'repair.errata-full-replay': entry(
    'An erratum may change the stream time, so windows that no event of it touches may be others too.',
    'Rebuild the model: `refold replay start NAME --again`.',
  ),
  'repair.not-effective': entry(
    'A row that was written is not what is read: something in the table lies before it.',
    'Rebuild the model: `refold replay start NAME --again`; whoever changed the table by hand gave a row a version beyond all others.',
  ),
  'correction.in-progress': entry(
    'Another correction of this generation is under way or has not been finished.',
    'Wait for it, give its command again to go on, or give it up: `refold replay corrections drop ID`.',
    true,
  ),
  'correction.interrupted': entry(
    'A repair, an audit or a model as of a moment was ended by a signal.',
    'Give the same command again: a repair and a model as of a moment go on where they were, an audit leaves nothing and begins anew.',
    true,
  ),
  'correction.unknown': entry('There is no correction of that number.', '`refold replay corrections list` shows all.'),
  'correction.wrong-state': entry('This correction cannot be given up or dropped now.', '`refold replay corrections list` shows the state of each.'),
  'internal.invariant': entry('Something that must always hold did not; this is a fault of refold.', 'Please report it with the message and what you did.'),
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Facts of an error: where it happened. Values are shown as they are; never put secrets here. */
export type ErrorFacts = Readonly<Record<string, string | number | bigint | boolean | undefined | readonly string[]>>;

/** So many entries of a list are shown in the message; the facts hold them all. */
const SHOWN = 20;

const listed = (values: readonly string[]): string =>
  values.length > SHOWN ? `${values.slice(0, SHOWN).join(',')},... ${String(values.length - SHOWN)} more` : values.join(',');

const shown = (facts: ErrorFacts): string =>
  Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${Array.isArray(value) ? listed(value as readonly string[]) : String(value)}`)
    .join(' ');

export interface RefoldErrorOptions {
  readonly facts?: ErrorFacts;
  readonly cause?: unknown;
  /** Replaces the remedy of the table where more is known. */
  readonly remedy?: string;
}

/** The only error class that refold throws. `message` says what happened and where; `remedy` what to do. */
export class RefoldError extends Error {
  override readonly name = 'RefoldError';
  readonly code: ErrorCode;
  /** The message without the facts. */
  readonly summary: string;
  readonly facts: ErrorFacts;
  readonly remedy: string;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: RefoldErrorOptions = {}) {
    const facts = options.facts ?? {};
    const where = shown(facts);
    super(where === '' ? message : `${message} [${where}]`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.summary = message;
    this.facts = facts;
    this.remedy = options.remedy ?? ERROR_CODES[code].remedy;
    this.retryable = ERROR_CODES[code].retryable;
  }
}

export const isRefoldError = (error: unknown, code?: ErrorCode): error is RefoldError =>
  error instanceof RefoldError && (code === undefined || error.code === code);

/** The text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The code of anything that was thrown; what refold did not throw on purpose is an invariant that does not hold. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof RefoldError ? error.code : 'internal.invariant');

/** Anything that was thrown, as every log line says it. */
export const errorFacts = (error: unknown): { readonly code: ErrorCode; readonly error: string } => ({ code: codeOf(error), error: messageOf(error) });
