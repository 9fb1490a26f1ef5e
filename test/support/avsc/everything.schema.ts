// Generated from everything.avsc by `refold schemas types`; do not edit.
import type { Decimal } from 'refold';

export const everythingSchema = {
  "type": "record",
  "name": "Everything",
  "namespace": "test",
  "fields": [
    {
      "name": "id",
      "type": {
        "type": "string",
        "logicalType": "uuid"
      }
    },
    {
      "name": "n",
      "type": "long"
    },
    {
      "name": "small",
      "type": "int",
      "default": 0
    },
    {
      "name": "raw",
      "type": [
        "null",
        "bytes"
      ]
    },
    {
      "name": "amount",
      "type": {
        "type": "bytes",
        "logicalType": "decimal",
        "precision": 12,
        "scale": 2
      }
    },
    {
      "name": "at",
      "type": {
        "type": "long",
        "logicalType": "timestamp-micros"
      }
    },
    {
      "name": "status",
      "type": {
        "type": "enum",
        "name": "Status",
        "symbols": [
          "placed",
          "shipped"
        ]
      }
    },
    {
      "name": "counts",
      "type": {
        "type": "map",
        "values": "long"
      }
    },
    {
      "name": "lines",
      "type": {
        "type": "array",
        "items": {
          "type": "record",
          "name": "Line",
          "fields": [
            {
              "name": "sku",
              "type": "string"
            },
            {
              "name": "price",
              "type": [
                "null",
                {
                  "type": "bytes",
                  "logicalType": "decimal",
                  "precision": 9,
                  "scale": 2
                }
              ]
            }
          ]
        }
      }
    }
  ]
} as const;

export interface EverythingFields {
  readonly id: string;
  readonly n: bigint;
  readonly small: number;
  readonly raw: null | Uint8Array;
  readonly amount: Decimal;
  readonly at: Date;
  readonly status: 'placed' | 'shipped';
  readonly counts: Readonly<Record<string, bigint>>;
  readonly lines: readonly EverythingLine[];
}

export interface EverythingLine {
  readonly sku: string;
  readonly price: null | Decimal;
}
