import { EventType, type Decimal } from 'refold';

const instant = { type: 'long', logicalType: 'timestamp-millis' } as const;
const dollars = { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } as const;

@EventType({
  name: 'windows.OrderPlaced',
  version: 1,
  topic: 'sales',
  key: (e) => e.customerId,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'customerId', type: 'string' },
      { name: 'amount', type: dollars },
      { name: 'at', type: instant },
    ],
  },
})
export class OrderPlaced {
  constructor(
    readonly customerId: string,
    readonly amount: Decimal,
    readonly at: Date,
  ) {}
}

/** Something a person did on the site. Keyed by the person, so that a session lies in one partition. */
@EventType({
  name: 'windows.ActionTaken',
  version: 1,
  topic: 'actions',
  key: (e) => e.userId,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'userId', type: 'string' },
      { name: 'action', type: 'string' },
      { name: 'at', type: instant },
    ],
  },
})
export class ActionTaken {
  constructor(
    readonly userId: string,
    readonly action: string,
    readonly at: Date,
  ) {}
}

/** Keyed by the address it came from. */
@EventType({
  name: 'windows.LoginFailed',
  version: 1,
  topic: 'logins',
  key: (e) => e.address,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'address', type: 'string' },
      { name: 'userId', type: 'string' },
      { name: 'at', type: instant },
    ],
  },
})
export class LoginFailed {
  constructor(
    readonly address: string,
    readonly userId: string,
    readonly at: Date,
  ) {}
}

/** Keyed by the account that is paid from. */
@EventType({
  name: 'windows.PaymentMade',
  version: 1,
  topic: 'payments',
  key: (e) => e.account,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'account', type: 'string' },
      { name: 'amount', type: dollars },
      { name: 'at', type: instant },
    ],
  },
})
export class PaymentMade {
  constructor(
    readonly account: string,
    readonly amount: Decimal,
    readonly at: Date,
  ) {}
}
