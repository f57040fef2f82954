//! The safetensors file format: 8 bytes of little-endian header length, a JSON header, then the tensors' raw bytes.
//! Every common machine learning library opens it, and unlike a pickle it can't run code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Headers are padded with spaces so that the tensors start on this boundary.
const ALIGNMENT: usize = 8;
/// Bytes of the header's length.
const PREFIX: usize = 8;
/// The header's key that holds no tensor.
const METADATA: &str = "__metadata__";

/// Why a file isn't what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file ends before its header does.
    #[error("the safetensors file is cut short: copy it again")]
    Truncated,
    /// The header isn't the JSON the format asks for.
    #[error("the safetensors header is malformed: {0}")]
    Header(#[from] serde_json::Error),
    /// A tensor's place, shape and type contradict each other, or tensors overlap or leave gaps.
    #[error("the tensor {0} doesn't lie where its shape says it should: the file is damaged")]
    Layout(String),
    /// A tensor that the reader needs is missing, or of another type or shape.
    #[error("the file has no tensor {0} of the type and shape this program writes")]
    Missing(&'static str),
}

/// What a tensor's numbers are, all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// 32-bit signed integers.
    I32,
    /// Bytes.
    U8,
}

impl Dtype {
    /// Bytes per number.
    fn size(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::U8 => 1,
        }
    }
}

/// One tensor: its numbers' type, its shape and its bytes, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// What the numbers are.
    pub dtype: Dtype,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The numbers.
    pub bytes: Vec<u8>,
}

impl Tensor {
    /// A tensor of 32-bit floats.
    pub fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self { dtype: Dtype::F32, shape, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
    }

    /// A tensor of 32-bit integers.
    pub fn i32(shape: Vec<usize>, values: &[i32]) -> Self {
        Self { dtype: Dtype::I32, shape, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
    }

    /// A row of bytes.
    pub fn u8(values: Vec<u8>) -> Self {
        Self { dtype: Dtype::U8, shape: vec![values.len()], bytes: values }
    }

    /// The numbers, when they are 32-bit floats.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let numbers = self.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (self.dtype == Dtype::F32).then(|| numbers.collect())
    }
}

/// A file: named tensors and free text about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// The tensors by name; they lie in the file in the names' order.
    pub tensors: BTreeMap<String, Tensor>,
    /// Words about the file, such as what made it.
    pub metadata: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl File {
    /// The file's bytes; the same file always gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut header = BTreeMap::new();
        let mut end = 0;
        for (name, tensor) in &self.tensors {
            let start = end;
            end += tensor.bytes.len();
            if Some(tensor.bytes.len()) != size_of(tensor.dtype, &tensor.shape) || name == METADATA {
                return Err(Error::Layout(name.clone()));
            }
            let entry = Entry { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets: (start, end) };
            header.insert(name.as_str(), serde_json::to_value(entry)?);
        }
        if !self.metadata.is_empty() {
            header.insert(METADATA, serde_json::to_value(&self.metadata)?);
        }
        let mut json = serde_json::to_vec(&header)?;
        json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
        let mut bytes = Vec::with_capacity(PREFIX + json.len() + end);
        bytes.extend((json.len() as u64).to_le_bytes());
        bytes.extend(json);
        self.tensors.values().for_each(|tensor| bytes.extend(&tensor.bytes));
        Ok(bytes)
    }

    /// Reads a file and checks that its tensors fill it without gap or overlap.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX>().ok_or(Error::Truncated)?;
        let length = usize::try_from(u64::from_le_bytes(*prefix)).map_err(|_| Error::Truncated)?;
        let (header, data) = rest.split_at_checked(length).ok_or(Error::Truncated)?;
        let mut header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header)?;
        let metadata = header.remove(METADATA).map(serde_json::from_value).transpose()?.unwrap_or_default();

        let mut entries = Vec::with_capacity(header.len());
        for (name, value) in header {
            entries.push((name, serde_json::from_value::<Entry>(value)?));
        }
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        let (mut tensors, mut end) = (BTreeMap::new(), 0);
        for (name, entry) in entries {
            let (start, stop) = entry.data_offsets;
            let whole = start == end && size_of(entry.dtype, &entry.shape) == stop.checked_sub(start);
            let Some(bytes) = data.get(start..stop).filter(|_| whole) else { return Err(Error::Layout(name)) };
            end = stop;
            tensors.insert(name, Tensor { dtype: entry.dtype, shape: entry.shape, bytes: bytes.to_vec() });
        }
        if end == data.len() { Ok(Self { tensors, metadata }) } else { Err(Error::Layout("after the last one".into())) }
    }
}

/// Bytes that a tensor of this type and shape takes; `None` when that is more than can be counted.
fn size_of(dtype: Dtype, shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(dtype.size(), |size, &length| size.checked_mul(length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    fn tensor() -> impl Strategy<Value = Tensor> {
        prop_oneof![
            vec(any::<f32>(), 0..20).prop_map(|values| Tensor::f32(vec![values.len()], &values)),
            vec(any::<[i32; 3]>(), 0..20).prop_map(|rows| Tensor::i32(vec![rows.len(), 3], rows.as_flattened())),
            vec(any::<u8>(), 0..20).prop_map(Tensor::u8),
        ]
    }

    fn file() -> impl Strategy<Value = File> {
        (btree_map("[a-z.0-9]{1,8}", tensor(), 0..5), btree_map(".{0,5}", ".{0,5}", 0..3))
            .prop_map(|(tensors, metadata)| File { tensors, metadata })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(file in file()) {
            let bytes = file.encode().unwrap();
            prop_assert_eq!(File::decode(&bytes).unwrap(), file);
        }

        #[test]
        fn no_bytes_make_the_reader_fail_badly(bytes in vec(any::<u8>(), 0..200)) {
            let _ = File::decode(&bytes);
        }

        #[test]
        fn no_header_makes_the_reader_fail_badly(json in "[\\[\\]{}:,\"0-9a-zF_ ]{0,80}", data in vec(any::<u8>(), 0..20)) {
            let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
            bytes.extend(json.as_bytes());
            bytes.extend(data);
            let _ = File::decode(&bytes);
        }

        #[test]
        fn a_file_cut_short_or_extended_is_refused(file in file(), cut in 1_usize..50) {
            let mut bytes = file.encode().unwrap();
            prop_assert!(File::decode(&bytes[..bytes.len() - cut.min(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(File::decode(&bytes).is_err());
        }
    }

    #[test]
    fn the_bytes_are_the_formats() {
        let tensors = BTreeMap::from([
            ("b".to_owned(), Tensor::u8(vec![7, 8])),
            ("a".to_owned(), Tensor::f32(vec![1, 1], &[1.0])),
        ]);
        let bytes = File { tensors, metadata: BTreeMap::new() }.encode().unwrap();
        let header = br#"{"a":{"data_offsets":[0,4],"dtype":"F32","shape":[1,1]},"b":{"data_offsets":[4,6],"dtype":"U8","shape":[2]}}"#;
        let padded = header.len().next_multiple_of(8);
        assert_eq!(bytes[..8], (padded as u64).to_le_bytes());
        assert_eq!(&bytes[8..8 + header.len()], header);
        assert!(bytes[8 + header.len()..8 + padded].iter().all(|&byte| byte == b' '));
        assert_eq!(bytes[8 + padded..], [0, 0, 128, 63, 7, 8]);
    }

    #[test]
    fn overlaps_gaps_and_wrong_sizes_are_refused() {
        let with = |entries: &str| {
            let json = format!("{{{entries}}}");
            let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
            bytes.extend(json.as_bytes());
            bytes.extend([0; 8]);
            File::decode(&bytes)
        };
        let entry = |name: &str, shape: &str, from: usize, to: usize| {
            format!(r#""{name}":{{"dtype":"U8","shape":{shape},"data_offsets":[{from},{to}]}}"#)
        };
        assert!(with(&entry("a", "[8]", 0, 8)).is_ok());
        let huge = usize::MAX.to_string();
        for bad in [
            entry("a", "[7]", 0, 8),
            entry("a", "[7]", 1, 8),
            entry("a", "[9]", 0, 9),
            entry("a", "[8]", 8, 0),
            format!("{},{}", entry("a", "[8]", 0, 8), entry("b", "[4]", 4, 8)),
            entry("a", &format!("[{huge},{huge}]"), 0, 8),
        ] {
            assert!(matches!(with(&bad), Err(Error::Layout(_))), "{bad}");
        }
        let wrong = File {
            tensors: BTreeMap::from([("a".into(), Tensor { shape: vec![3], ..Tensor::u8(vec![1]) })]),
            ..File::default()
        };
        assert!(wrong.encode().is_err());
    }
}
