const PER_BUNDLE =
  'A trigger there looks once per bundle, and puts out what the bundle held. How batches are cut must not decide what readers see here, so triggers look after every event.';
const HOLDS =
  'The timestamp of a result there depends on where the watermark was when its elements came (a watermark hold). Here it is a column of the result, `min(timestamp())`.';
const DISCARDING =
  'The result on time is discarded there, and a late element shown by itself. Here a window that nothing is brought to is shown with the next contribution, so its result and what is late fall together, and readers see one row.';
const SILENT =
  'The trigger fires there by the clock alone, again without new data. Here a window is shown when something is brought to its group, and not again where nothing was.';

/** The cases that are not run, each with the reason. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  'beam/early_late_sessions': PER_BUNDLE,
  'beam/discarding_early_fixed': PER_BUNDLE,
  'beam/garbage_collection': 'It asks what a runner keeps of a trigger that fires once and is finished; triggers here fire again and again.',
  'beam/known_late_data_watermark': HOLDS,
  'beam/known_late_data_no_watermark_hold_possible': HOLDS,
  'flink/WindowOperatorTest/testLateness': DISCARDING,
  'flink/WindowOperatorTest/testDropDueToLatenessSessionWithLatenessPurgingTrigger': DISCARDING,
  'flink/WindowOperatorTest/testNotSideOutputDueToLatenessSessionWithHugeLatenessPurgingTrigger': DISCARDING,
  'flink/WindowOperatorTest/testSessionWindowsWithContinuousEventTimeTrigger': SILENT,
  'flink/WindowOperatorTest/testContinuousWatermarkTrigger': SILENT,
};
