// DpEvents from a file or a caller, checked: JSON would turn a NaN into null, and an accountant must never guess.

import { z } from 'zod';
import type { DpEvent } from './dp-event.ts';

/** Fields come out in this order whatever order they came in, so that equal events have equal JSON. */
export const dpEventSchema: z.ZodType<DpEvent> = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('gaussian'), noiseMultiplier: z.number().min(0) }),
    z.strictObject({ type: z.literal('poissonSampled'), samplingRate: z.number().min(0).max(1), event: dpEventSchema }),
    z.strictObject({ type: z.literal('selfComposed'), event: dpEventSchema, count: z.int().min(0) }),
    z.strictObject({ type: z.literal('composed'), events: z.array(dpEventSchema) }),
    z.strictObject({ type: z.literal('nonPrivate'), reason: z.string() }),
    z.strictObject({ type: z.literal('noOp') }),
  ]),
);
