//! Edge features from streaming filters, and the simplest classifier on them. Integers all the way, so that every
//! machine, an FPGA too, gets the same bits.

use crate::data::{PIXELS, SIDE, Sample};
use crate::fir::Fir;

/// An image gets a border of one zero, so that no filter reaches from one row or image into the next.
const FRAME: usize = SIDE + 2;
/// A 3 x 3 kernel over rows of `FRAME` samples reaches back over two rows and three samples.
const TAPS: usize = 2 * FRAME + 3;
/// A pixel of 16 in Q15, just below 1.
const PIXEL_SCALE: i16 = 2047;
/// An eighth in Q15; with it no response saturates.
const TAP_SCALE: i16 = 4096;
/// Responses are summed over cells of 2 x 2 pixels.
const CELL: usize = 2;
/// Cells in a row.
const CELLS: usize = SIDE / CELL;
/// Edges in four directions: Sobel's two kernels and their diagonals.
const KERNELS: [[[i16; 3]; 3]; 4] = [
    [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    [[2, 1, 0], [1, 0, -1], [0, -1, -2]],
    [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
];
/// How many filters the stream goes through.
pub const KERNEL_COUNT: usize = KERNELS.len();
/// Features of an image: for each kernel the rising and the falling edges, per cell.
pub const FEATURES: usize = KERNELS.len() * 2 * CELLS * CELLS;
/// Samples that one image puts into the stream.
pub const SAMPLES: usize = FRAME * FRAME;

/// The filters, through which images stream one sample at a time.
#[derive(Clone, Debug)]
pub struct Extractor {
    filters: Vec<Fir<TAPS>>,
}

impl Default for Extractor {
    fn default() -> Self {
        Self { filters: KERNELS.iter().map(|kernel| Fir::new(taps(kernel))).collect() }
    }
}

impl Extractor {
    /// Streams one image through all filters; returns its features.
    pub fn features(&mut self, pixels: &[u8; PIXELS]) -> Vec<i32> {
        let mut features = vec![0; FEATURES];
        for row in 0..FRAME {
            for column in 0..FRAME {
                let sample = bordered(pixels, row, column);
                for (number, filter) in self.filters.iter_mut().enumerate() {
                    let response = i32::from(filter.push(sample));
                    // The kernel lies wholly inside the frame from the third row and column on.
                    if let (Some(y), Some(x)) = (row.checked_sub(2), column.checked_sub(2)) {
                        let direction = number * 2 + usize::from(response < 0);
                        features[(direction * CELLS + y / CELL) * CELLS + x / CELL] += response.abs();
                    }
                }
            }
        }
        features
    }
}

/// The kernel as taps of a filter over the stream: its last number weighs the newest sample.
fn taps(kernel: &[[i16; 3]; 3]) -> [i16; TAPS] {
    let mut taps = [0; TAPS];
    for (row, weights) in kernel.iter().enumerate() {
        for (column, weight) in weights.iter().enumerate() {
            taps[(2 - row) * FRAME + 2 - column] = weight * TAP_SCALE;
        }
    }
    taps
}

/// The sample at a place of the bordered image.
fn bordered(pixels: &[u8; PIXELS], row: usize, column: usize) -> i16 {
    match (row.checked_sub(1), column.checked_sub(1)) {
        (Some(y), Some(x)) if y < SIDE && x < SIDE => i16::from(pixels[y * SIDE + x]) * PIXEL_SCALE,
        _ => 0,
    }
}

/// How many of `judged` have the class of the nearest of `learnt` (the first of equals).
pub fn correct(learnt: &[(Vec<i32>, usize)], judged: &[(Vec<i32>, usize)]) -> usize {
    let nearest =
        |vector: &[i32]| learnt.iter().min_by_key(|(known, _)| distance(known, vector)).map(|(_, class)| *class);
    judged.iter().filter(|(vector, class)| nearest(vector) == Some(*class)).count()
}

/// The square of the distance between two vectors.
fn distance(left: &[i32], right: &[i32]) -> i64 {
    left.iter().zip(right).map(|(&a, &b)| (i64::from(a) - i64::from(b)).pow(2)).sum()
}

/// The bare pixels as a vector, to compare with.
pub fn pixels(sample: &Sample) -> Vec<i32> {
    sample.pixels.iter().map(|&pixel| i32::from(pixel)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::array::uniform;
    use proptest::prelude::*;

    /// The features by their definition: each kernel laid on each pixel of the bordered image.
    fn slow(image: &[u8; PIXELS]) -> Vec<i32> {
        let mut features = vec![0; FEATURES];
        for (number, kernel) in KERNELS.iter().enumerate() {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let mut sum = 0_i64;
                    for (row, weights) in kernel.iter().enumerate() {
                        for (column, &weight) in weights.iter().enumerate() {
                            sum += i64::from(weight * TAP_SCALE) * i64::from(bordered(image, y + row, x + column));
                        }
                    }
                    let response = (sum + 16_384).div_euclid(32_768);
                    let direction = number * 2 + usize::from(response < 0);
                    let place = (direction * CELLS + y / CELL) * CELLS + x / CELL;
                    features[place] += i32::try_from(response.abs()).unwrap_or(i32::MAX);
                }
            }
        }
        features
    }

    proptest! {
        /// Streaming gives what the definition gives, and one image leaves no trace in the next one's features.
        #[test]
        fn the_stream_gives_the_definition(images in proptest::collection::vec(uniform(0_u8..=16), 1..4)) {
            let mut extractor = Extractor::default();
            for image in &images {
                prop_assert_eq!(extractor.features(image), slow(image));
            }
        }
    }

    #[test]
    fn the_nearest_decides_and_none_decides_nothing() {
        let learnt = [(vec![0, 0], 1), (vec![10, 0], 2), (vec![i32::MAX, i32::MIN], 3)];
        let judged = [(vec![4, 1], 1), (vec![6, -1], 2), (vec![5, 0], 2), (vec![2_000_000_000, -2_000_000_000], 3)];
        assert_eq!(correct(&learnt, &judged), 3); // the third lies between both, and the first of equals wins
        assert_eq!(correct(&[], &judged), 0);
    }

    #[test]
    fn an_empty_image_has_no_edges_and_a_bar_has_upright_ones() {
        let mut extractor = Extractor::default();
        assert!(extractor.features(&[0; PIXELS]).iter().all(|&feature| feature == 0));
        let bar = std::array::from_fn(|place| if place % SIDE == 3 || place % SIDE == 4 { 16 } else { 0 });
        let features = extractor.features(&bar);
        let strength = |kernel: usize| features[kernel * 32..(kernel + 1) * 32].iter().sum::<i32>();
        assert!(strength(0) > 3 * strength(1), "upright {} level {}", strength(0), strength(1));
    }
}
