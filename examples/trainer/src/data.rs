//! The handwritten digits: read from the file inside the binary and split, always in the same way, into a training
//! and a held-out part.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::rng::Rng;

/// Pixels in a row and rows in an image.
pub const SIDE: usize = 8;
/// Pixels of one image.
pub const PIXELS: usize = SIDE * SIDE;
/// Digits to tell apart.
pub const CLASSES: usize = 10;
/// The largest pixel value: a pixel counts the dark dots in a 4 x 4 block.
pub const WHITE: u8 = 16;
/// The data set's name, as the outputs state it.
pub const NAME: &str = "UCI Optical Recognition of Handwritten Digits (test half, 1797 images, CC BY 4.0)";

/// The compressed file as it came; `data/README.md` states its source, licence and digest.
const FILE: &[u8] = include_bytes!("../data/digits.csv.gz");
/// The split is the same in every run, whatever the run's own seed, so that accuracies can be compared.
const SPLIT_SEED: u64 = 20_240_229;
/// One image in five is held out.
const HELD_OUT_SHARE: usize = 5;

/// Why the data set can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file doesn't decompress.
    #[error("the embedded data set doesn't decompress ({0}): build the image again")]
    Gzip(#[from] std::io::Error),
    /// A line isn't 64 pixels and a digit.
    #[error(
        "line {line} of the embedded data set isn't 64 pixels (0 to 16) and a digit (0 to 9): build the image again"
    )]
    Line {
        /// The line, counted from 1.
        line: usize,
    },
}

/// One image and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Pixel values from 0 to 16, row by row.
    pub pixels: [u8; PIXELS],
    /// The digit, 0 to 9.
    pub digit: u8,
}

impl Sample {
    /// The digit as an index.
    pub fn class(&self) -> usize {
        usize::from(self.digit)
    }

    /// The pixels as a network takes them, from 0 to 1.
    pub fn inputs(&self) -> [f32; PIXELS] {
        self.pixels.map(|pixel| f32::from(pixel) / f32::from(WHITE))
    }
}

/// All images, split.
#[derive(Clone, Debug)]
pub struct Digits {
    /// What a model may learn from: 1,438 images.
    pub training: Vec<Sample>,
    /// What it is judged by and never sees before: 359 images.
    pub held_out: Vec<Sample>,
}

/// Reads all 1,797 images in the file's order.
pub fn load() -> Result<Vec<Sample>, Error> {
    let mut text = String::new();
    GzDecoder::new(FILE).read_to_string(&mut text)?;
    text.lines().enumerate().map(|(index, line)| parse(line).ok_or(Error::Line { line: index + 1 })).collect()
}

/// Reads and splits the images.
pub fn load_split() -> Result<Digits, Error> {
    let mut training = load()?;
    Rng::new(SPLIT_SEED).shuffle(&mut training);
    let held_out = training.split_off(training.len() - training.len() / HELD_OUT_SHARE);
    Ok(Digits { training, held_out })
}

/// Reads one line; `None` when it isn't 64 pixels and a digit.
fn parse(line: &str) -> Option<Sample> {
    let values: Vec<u8> = line.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let (&digit, pixels) = values.split_last()?;
    let pixels: [u8; PIXELS] = pixels.try_into().ok()?;
    (usize::from(digit) < CLASSES && pixels.iter().all(|&pixel| pixel <= WHITE)).then_some(Sample { pixels, digit })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_file_is_the_one_its_page_describes() {
        let page = include_str!("../data/README.md");
        assert!(page.contains(&hex::encode(Sha256::digest(FILE))));
        let mut csv = Vec::new();
        GzDecoder::new(FILE).read_to_end(&mut csv).unwrap();
        assert!(page.contains(&hex::encode(Sha256::digest(&csv))));
    }

    #[test]
    fn every_digit_appears_as_often_as_the_repository_says() {
        let mut counts = [0; CLASSES];
        for sample in load().unwrap() {
            counts[sample.class()] += 1;
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn the_split_is_fixed_and_no_image_is_on_both_sides() {
        let digits = load_split().unwrap();
        assert_eq!((digits.training.len(), digits.held_out.len()), (1438, 359));
        let seen: HashSet<_> = digits.training.iter().map(|sample| sample.pixels).collect();
        assert!(digits.held_out.iter().all(|sample| !seen.contains(&sample.pixels)));
        assert_eq!(digits.held_out, load_split().unwrap().held_out);
    }

    #[test]
    fn a_line_of_another_shape_is_refused() {
        let good = format!("{}7", "0,".repeat(PIXELS));
        assert!(parse(&good).is_some());
        let pixel_too_large = format!("17,{}7", "0,".repeat(PIXELS - 1));
        let no_digit = format!("{}10", "0,".repeat(PIXELS));
        let short = format!("{}7", "0,".repeat(PIXELS - 1));
        for bad in [pixel_too_large, no_digit, short, String::new(), good.replace('7', "x")] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn inputs_lie_between_nought_and_one() {
        let sample = Sample { pixels: std::array::from_fn(|i| if i == 0 { WHITE } else { 4 }), digit: 3 };
        assert!(
            sample
                .inputs()
                .iter()
                .enumerate()
                .all(|(i, &x)| x.to_bits() == (if i == 0 { 1.0_f32 } else { 0.25 }).to_bits())
        );
    }
}
