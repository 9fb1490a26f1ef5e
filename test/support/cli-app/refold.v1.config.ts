import { before } from './refold.config';

export default { app: before };
