// Phase arithmetic as phasor does it, for the pictures of Learn: a frequency is a 64-bit fraction
// of a turn per token, and its product with a whole position, modulo 2^64, loses whole turns and
// nothing else. A classic script: it sets `window.phasor` in a page, `module.exports` in node.
// tests/docs/test_phase_js.py holds it to src/phasor/rotary and to the golden tables.
(function () {
  "use strict";
  // 2^192 / (2 pi), rounded, as in src/phasor/rotary/frequencies.py.
  const INVERSE_TWO_PI = 0x28be60db9391054a7f09d5f47d4d377036d8a5664f10e410n;
  const SHIFT = 192n - 64n;
  const RADIANS_PER_FRACTION = (2 * Math.PI) / 2 ** 64;

  // A finite number as whole * 2^-scale, exactly.
  function binaryFraction(value) {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    const bits = view.getBigUint64(0);
    const exponent = (bits >> 52n) & 0x7ffn;
    const stored = bits & 0xfffffffffffffn;
    const whole = exponent ? stored | (1n << 52n) : stored;
    return { whole: value < 0 ? -whole : whole, scale: 1075n - (exponent || 1n) };
  }

  // Radians per token in turns per token, without the whole ones: a signed 64-bit BigInt.
  function turns(radians) {
    const { whole, scale } = binaryFraction(radians);
    if (scale <= 0n) throw new RangeError(`a pair cannot turn ${radians} radians per token`);
    const drop = scale + SHIFT; // rounded half up, once
    return BigInt.asIntN(64, (whole * INVERSE_TWO_PI + (1n << (drop - 1n))) >> drop);
  }

  // The phase of a pair at a whole position: a signed 64-bit fraction of a turn.
  const phase = (position, fraction) => BigInt.asIntN(64, BigInt(position) * fraction);

  // The angle in radians, between minus half a turn and half a turn.
  const angle = (position, radians) =>
    Number(phase(position, turns(radians))) * RADIANS_PER_FRACTION;

  // Cosines and sines of all pairs of `frequencies` at a position, times their gain.
  function cosSin(position, { invFreq, gain }) {
    const angles = invFreq.map((each) => angle(position, each));
    const times = (wave) => angles.map((each) => gain * wave(each));
    return { cos: times(Math.cos), sin: times(Math.sin) };
  }

  // Frequencies are {invFreq: radians per token, fastest first; base; gain on cos and sin}.
  function geometric(rotaryDim, base = 10000) {
    const invFreq = Array.from({ length: rotaryDim / 2 }, (_, p) => base ** ((-2 * p) / rotaryDim));
    return { invFreq, base, gain: 1 };
  }

  const scaled = (frequencies, change, rest = {}) => ({
    ...frequencies,
    ...rest,
    invFreq: frequencies.invFreq.map(change),
  });

  // Position interpolation, arXiv:2306.15595.
  const linear = ({ factor }) => (frequencies) => scaled(frequencies, (each) => each / factor);

  // A larger base: the fastest pair stays, the slowest turns `factor` times slower.
  const ntk = ({ factor }) => (frequencies) => {
    const dim = 2 * frequencies.invFreq.length;
    const base = frequencies.base * factor ** (dim / (dim - 2));
    return scaled(frequencies, (each, p) => each * factor ** ((-2 * p) / (dim - 2)), { base });
  };

  // From 0 at the pair that turns `fast` times in the trained length to 1 at that of `slow` turns.
  function rampOverPairs({ invFreq, base }, length, fast, slow) {
    const dim = 2 * invFreq.length;
    const pair = (count) =>
      (dim * Math.log(length / (count * 2 * Math.PI))) / (2 * Math.log(base));
    const low = Math.max(Math.floor(pair(fast)), 0);
    let high = Math.min(Math.ceil(pair(slow)), dim - 1);
    if (low === high) high += 0.001; // as the authors do, against a division by zero
    return invFreq.map((_, p) => Math.min(Math.max((p - low) / (high - low), 0), 1));
  }

  // arXiv:2309.00071, as the authors' code has it: the ramp is linear in the number of the pair.
  const yarn = ({ factor, originalSeqLen, betaFast = 32, betaSlow = 1 }) => (frequencies) => {
    const ramp = rampOverPairs(frequencies, originalSeqLen, betaFast, betaSlow);
    const gain = frequencies.gain * (factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1);
    return scaled(frequencies, (each, p) => each * (1 - ramp[p] + ramp[p] / factor), { gain });
  };

  // Llama 3.1: by how often a pair turns in the trained length.
  const llama3 = ({ factor, lowFreqFactor = 1, highFreqFactor = 4, originalSeqLen = 8192 }) => {
    return (frequencies) =>
      scaled(frequencies, (each) => {
        const above = (originalSeqLen * each) / (2 * Math.PI) - lowFreqFactor;
        const band = highFreqFactor - lowFreqFactor;
        const blend = band ? Math.min(Math.max(above / band, 0), 1) : Number(above > 0);
        return ((1 - blend) * each) / factor + blend * each;
      });
  };

  // arXiv:2402.13753: one factor for each pair, from one list up to the trained length and from
  // another past it.
  const longrope = ({ shortFactor, longFactor, originalSeqLen, factor }) => ({
    at: (seqLen) => (frequencies) => {
      const factors = seqLen <= originalSeqLen ? shortFactor : longFactor;
      const more = factor > 1 ? Math.log(factor) / Math.log(originalSeqLen) : 0;
      const gain = frequencies.gain * Math.sqrt(1 + more);
      return scaled(frequencies, (each, p) => each / factors[p], { gain });
    },
  });

  const scaling = { linear, ntk, yarn, llama3, longrope };
  const phasor = { turns, phase, angle, cosSin, geometric, scaling };
  if (typeof module === "object") module.exports = phasor;
  else window.phasor = phasor;
})();
