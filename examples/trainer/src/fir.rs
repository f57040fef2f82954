//! A streaming FIR filter in Q15 fixed point: what a signal-processing slice of an FPGA does each clock, bit for bit.

/// Fraction bits of a Q15 number: 32768 would be 1.
const FRACTION: u32 = 15;

/// A filter with `N` taps. It takes one sample at a time and remembers the last `N`.
#[derive(Clone, Debug)]
pub struct Fir<const N: usize> {
    taps: [i16; N],
    line: [i16; N],
    newest: usize,
}

impl<const N: usize> Fir<N> {
    /// A filter that has seen only zeros. `taps[0]` weighs the newest sample.
    pub fn new(taps: [i16; N]) -> Self {
        Self { taps, line: [0; N], newest: 0 }
    }

    /// Takes the next sample and gives the next output: the weighted sum of the last `N` samples, rounded to the
    /// nearest (halves upwards) and held at the ends of the range.
    pub fn push(&mut self, sample: i16) -> i16 {
        self.newest = if self.newest == 0 { N.saturating_sub(1) } else { self.newest - 1 };
        if let Some(place) = self.line.get_mut(self.newest) {
            *place = sample;
        }
        let (older, newer) = self.line.split_at(self.newest);
        let sum: i64 =
            self.taps.iter().zip(newer.iter().chain(older)).map(|(&tap, &x)| i64::from(tap) * i64::from(x)).sum();
        saturate((sum + (1 << (FRACTION - 1))) >> FRACTION)
    }
}

/// The nearest 16-bit number.
fn saturate(value: i64) -> i16 {
    i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::array::uniform7;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The definition, written the slow way.
    fn convolve(taps: &[i16], samples: &[i16], n: usize) -> i16 {
        let sum: i128 = (0..taps.len().min(n + 1)).map(|k| i128::from(taps[k]) * i128::from(samples[n - k])).sum();
        let rounded = (sum + 16_384).div_euclid(32_768);
        i16::try_from(rounded.clamp(-32_768, 32_767)).unwrap_or_default()
    }

    proptest! {
        #[test]
        fn the_stream_is_the_convolution(taps in uniform7(any::<i16>()), samples in vec(any::<i16>(), 0..50)) {
            let mut filter = Fir::new(taps);
            for n in 0..samples.len() {
                prop_assert_eq!(filter.push(samples[n]), convolve(&taps, &samples, n));
            }
        }

        #[test]
        fn it_is_linear_where_nothing_saturates(taps in uniform7(-512_i16..512), samples in vec(-1000_i16..1000, 1..50)) {
            let (mut once, mut twice) = (Fir::new(taps), Fir::new(taps));
            for &sample in &samples {
                let (single, double) = (i32::from(once.push(sample)), i32::from(twice.push(2 * sample)));
                prop_assert!((double - 2 * single).abs() <= 1, "{single} {double}"); // each is rounded by itself
            }
        }
    }

    #[test]
    fn an_impulse_shows_the_taps() {
        let taps = [1000, -2000, 3000, 0, 5];
        let mut filter = Fir::new(taps);
        let mut shown = vec![filter.push(i16::MAX)];
        shown.extend((0..6).map(|_| filter.push(0)));
        assert_eq!(shown, [1000, -2000, 3000, 0, 5, 0, 0]);
    }

    #[test]
    fn the_ends_of_the_range_hold() {
        let mut filter = Fir::new([i16::MIN, i16::MIN]);
        filter.push(i16::MIN);
        assert_eq!(filter.push(i16::MIN), i16::MAX);
        filter.push(i16::MAX);
        assert_eq!(filter.push(i16::MAX), i16::MIN);
    }
}
