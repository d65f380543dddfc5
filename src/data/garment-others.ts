// Outlines and details of trousers, sandal, sneaker, bag and boot, as in `garment-tops.ts`.

import type { Draws } from './draws.ts';
import { bothSides, fill, type GarmentPart, line, mirrored, round } from './garment-parts.ts';

/** Two legs, a belt, creases. */
export function trousers(draws: Draws): readonly GarmentPart[] {
  const waist = draws.uniform(0.26, 0.36);
  const hip = waist + draws.uniform(0.04, 0.12);
  const hem = draws.uniform(0.3, 0.5);
  const leg = draws.uniform(0.2, 0.3);
  const crotch = draws.uniform(-0.45, -0.2);
  return [
    fill(
      mirrored([
        [0, -0.98],
        [waist, -0.98],
        [hip, -0.5],
        [Math.max(hem, hip - 0.06), 0.2],
        [hem, 0.98],
        [hem - leg, 0.98],
        [0.04, crotch + 0.15],
        [0.015, crotch],
      ]),
    ),
    line(
      [
        [-waist, -0.86],
        [0, -0.83],
        [waist, -0.86],
      ],
      0.8,
      0.65,
    ),
    line(
      [
        [0, -0.82],
        [0, crotch],
      ],
      0.7,
      0.65,
    ),
    ...bothSides(
      line(
        [
          [hip * 0.55, -0.6],
          [hem - leg / 2, 0.9],
        ],
        0.8,
        draws.uniform(0.85, 1.15),
      ),
    ),
  ];
}

/** A sole, flat or on a heel, and straps; the toes point left, as those of all shoes here. */
export function sandal(draws: Draws): readonly GarmentPart[] {
  const heel = draws.pick(2) === 0 ? draws.uniform(0.35, 0.6) : draws.uniform(0.08, 0.2);
  const ground = draws.uniform(0.4, 0.6);
  const arch = ground - heel;
  const width = draws.uniform(1.1, 1.8);
  const straps = 2 + draws.pick(3);
  const sole = fill([
    [-0.97, ground - 0.06],
    [-0.5, ground - 0.1],
    [0, (ground + arch) / 2 - 0.1],
    [0.5, arch - 0.05],
    [0.95, arch - 0.1],
    [0.96, ground],
    [0.76, ground],
    [0.62, arch + 0.14],
    [0.1, (ground + arch) / 2 + 0.06],
    [-0.45, ground + 0.02],
    [-0.95, ground + 0.03],
  ]);
  const across = Array.from({ length: straps }, (_, i): GarmentPart => {
    const x = -0.75 + (0.75 * i) / straps + draws.normal(0.03);
    const height = draws.uniform(0.22, 0.36);
    return line(
      [
        [x, ground - 0.12],
        [x + 0.16, ground - height - 0.12],
        [x + 0.42, ground - height * 0.6 - 0.2 * heel],
      ],
      width,
      draws.uniform(0.8, 1.1),
    );
  });
  const ankle = arch - draws.uniform(0.35, 0.6);
  return [
    sole,
    ...across,
    line(
      [
        [0.9, arch - 0.1],
        [0.93, ankle + 0.1],
        [0.8, ankle],
      ],
      width,
      0.95,
    ),
    line(
      [
        [0.85, ankle + 0.05],
        [0.5, ankle + 0.12],
        [0.3, arch - 0.02],
      ],
      width * 0.8,
      1.05,
    ),
  ];
}

/** A low shoe with a bright sole, a stripe and laces. */
export function sneaker(draws: Draws): readonly GarmentPart[] {
  const ground = draws.uniform(0.42, 0.56);
  const top = draws.uniform(-0.35, -0.15);
  const throat = draws.uniform(-0.05, 0.15);
  const stripe = draws.uniform(0.4, 1.3);
  const laces = 3 + draws.pick(2);
  return [
    round([
      [-0.97, ground - 0.12],
      [-0.85, ground - 0.36],
      [-0.45, ground - 0.5],
      [throat - 0.15, top + 0.14],
      [throat + 0.12, top],
      [0.5, top + 0.1],
      [0.88, top - 0.02],
      [0.96, ground - 0.3],
      [0.95, ground],
      [0, ground + 0.02],
      [-0.9, ground],
    ]),
    line(
      [
        [-0.96, ground],
        [-0.3, ground + 0.03],
        [0.4, ground],
        [0.95, ground + 0.01],
      ],
      draws.uniform(1.6, 2.8),
      draws.uniform(1.2, 1.5),
    ),
    line(
      [
        [-0.93, ground - 0.14],
        [0, ground - 0.12],
        [0.93, ground - 0.14],
      ],
      0.7,
      0.45,
    ),
    line(
      [
        [0, ground - 0.18],
        [0.2, (ground + top) / 2],
        [0.45, top + 0.2],
      ],
      1.6,
      stripe,
    ),
    line(
      [
        [-0.55, ground - 0.2],
        [-0.42, ground - 0.34],
        [-0.4, ground - 0.46],
      ],
      0.8,
      0.6,
    ),
    ...Array.from({ length: laces }, (_, i): GarmentPart => {
      const t = i / laces;
      const x = -0.38 + t * (throat + 0.35);
      const y = ground - 0.48 + t * (top - ground + 0.6);
      return line(
        [
          [x, y],
          [x + 0.12, y + 0.12],
        ],
        0.8,
        1.4,
      );
    }),
  ];
}

/** A body with a flap and a clasp, and a handle. */
export function bag(draws: Draws): readonly GarmentPart[] {
  const top = draws.uniform(-0.35, 0);
  const bottom = draws.uniform(0.72, 0.92);
  const wide = draws.uniform(0.74, 0.97);
  const taper = draws.uniform(-0.1, 0.16);
  const rise = draws.uniform(0.4, 0.62);
  const grip = draws.uniform(0.3, 0.6) * wide;
  const flap = draws.uniform(0.3, 0.6);
  return [
    line(
      [
        [-grip, top + 0.05],
        [-grip * 0.9, top - rise * 0.7],
        [0, top - rise],
        [grip * 0.9, top - rise * 0.7],
        [grip, top + 0.05],
      ],
      draws.uniform(1.2, 2.4),
      0.9,
    ),
    fill(
      mirrored([
        [0, top],
        [wide - taper - 0.05, top],
        [wide - taper, top + 0.06],
        [wide, bottom - 0.1],
        [wide - 0.08, bottom],
        [0, bottom],
      ]),
    ),
    line(
      [
        [-wide + taper + 0.02, top + 0.1],
        [-wide / 2, top + (bottom - top) * flap],
        [wide / 2, top + (bottom - top) * flap],
        [wide - taper - 0.02, top + 0.1],
      ],
      0.9,
      draws.uniform(0.4, 0.75),
    ),
    line(
      [
        [0, top + (bottom - top) * flap],
        [0.01, top + (bottom - top) * flap + 0.06],
      ],
      2.2,
      1.5,
    ),
  ];
}

/** A shaft, a zip and a heel. */
export function boot(draws: Draws): readonly GarmentPart[] {
  const ground = draws.uniform(0.78, 0.92);
  const top = draws.uniform(-0.97, -0.7);
  const shaft = draws.uniform(0, 0.14);
  const heel = draws.uniform(0.06, 0.3);
  const instep = draws.uniform(0, 0.2);
  return [
    fill([
      [shaft, top],
      [0.86, top + draws.uniform(-0.03, 0.05)],
      [0.8, instep],
      [0.88, ground - heel - 0.1],
      [0.87, ground],
      [0.5, ground],
      [0.46, ground - heel * 0.7],
      [0.1, ground - heel * 0.35],
      [-0.3, ground],
      [-0.85, ground],
      [-0.92, ground - 0.12],
      [-0.82, ground - 0.3],
      [-0.35, ground - 0.46],
      [shaft - 0.06, instep],
    ]),
    line(
      [
        [-0.9, ground - 0.05],
        [-0.3, ground - 0.06],
        [0.1, ground - heel * 0.4 - 0.05],
        [0.46, ground - heel * 0.7 - 0.06],
        [0.87, ground - heel - 0.06],
      ],
      0.9,
      0.45,
    ),
    line(
      [
        [0.5, top + 0.05],
        [0.46, instep],
        [0.52, ground - heel - 0.1],
      ],
      0.9,
      draws.uniform(0.55, 1.3),
    ),
    line(
      [
        [shaft + 0.02, top + 0.1],
        [0.4, top + 0.12],
        [0.84, top + 0.1],
      ],
      0.9,
      0.7,
    ),
  ];
}
