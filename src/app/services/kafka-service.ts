import { RefoldError } from '../../kernel/errors';
import type { RunningService, ServiceSurroundings } from './running-service';

export const startKafka = async (_around: ServiceSurroundings): Promise<RunningService> => {
  throw new RefoldError('service.unavailable', 'kafka: not there yet');
};
