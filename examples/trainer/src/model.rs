//! A network as a safetensors file, with the names and the row order that `PyTorch`'s `nn.Linear` uses.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::data;
use crate::mlp::{Mlp, Shape};
use crate::safetensors::{Error, File, Tensor};

/// Each tensor's name, shape and place among the parameters.
fn tensors(shape: Shape) -> [(&'static str, Vec<usize>, Range<usize>); 4] {
    [
        ("fc1.weight", vec![shape.hidden, shape.inputs], shape.weight1()),
        ("fc1.bias", vec![shape.hidden], shape.bias1()),
        ("fc2.weight", vec![shape.classes, shape.hidden], shape.weight2()),
        ("fc2.bias", vec![shape.classes], shape.bias2()),
    ]
}

/// The model file's bytes.
pub fn encode(network: &Mlp) -> Result<Vec<u8>, Error> {
    let metadata = [
        ("architecture", "fc2(relu(fc1(pixels / 16)))".to_owned()),
        ("dataset", data::NAME.to_owned()),
        ("made_by", format!("eai-trainer {}", env!("CARGO_PKG_VERSION"))),
    ];
    let tensors = tensors(network.shape())
        .map(|(name, shape, place)| (name.to_owned(), Tensor::f32(shape, &network.parameters()[place])));
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    File { tensors: BTreeMap::from(tensors), metadata: BTreeMap::from(metadata) }.encode()
}

/// Reads a model file.
pub fn decode(bytes: &[u8]) -> Result<Mlp, Error> {
    let file = File::decode(bytes)?;
    let Some(&[hidden, inputs]) = file.tensors.get("fc1.weight").map(|tensor| tensor.shape.as_slice()) else {
        return Err(Error::Missing("fc1.weight"));
    };
    let Some(&[classes]) = file.tensors.get("fc2.bias").map(|tensor| tensor.shape.as_slice()) else {
        return Err(Error::Missing("fc2.bias"));
    };
    if inputs == 0 {
        return Err(Error::Missing("fc1.weight")); // and `hidden` could then be any number, however large
    }
    let shape = Shape { inputs, hidden, classes };
    let mut parameters = Vec::new();
    for (name, tensor_shape, _) in tensors(shape) {
        let tensor = file.tensors.get(name).filter(|tensor| tensor.shape == tensor_shape);
        parameters.extend(tensor.and_then(Tensor::to_f32).ok_or(Error::Missing(name))?);
    }
    Mlp::from_parameters(shape, parameters).ok_or(Error::Missing("fc2.bias"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_model_read_back_is_the_same_model(seed: u64, inputs in 1_usize..9, hidden in 1_usize..9, classes in 1_usize..9) {
            let network = Mlp::random(Shape { inputs, hidden, classes }, &mut Rng::new(seed));
            prop_assert_eq!(decode(&encode(&network).unwrap()).unwrap(), network);
        }
    }

    #[test]
    fn a_file_without_one_of_the_tensors_is_refused() {
        let network = Mlp::random(Shape { inputs: 3, hidden: 2, classes: 2 }, &mut Rng::new(1));
        let whole = File::decode(&encode(&network).unwrap()).unwrap();
        for name in whole.tensors.keys() {
            let mut file = whole.clone();
            file.tensors.remove(name);
            assert!(matches!(decode(&file.encode().unwrap()), Err(Error::Missing(missing)) if missing == name));
        }
        let mut file = whole.clone();
        file.tensors.insert("fc1.bias".into(), Tensor::i32(vec![2], &[1, 2]));
        assert!(decode(&file.encode().unwrap()).is_err());

        let mut file = whole;
        file.tensors.insert("fc1.weight".into(), Tensor::f32(vec![usize::MAX / 4, 0], &[]));
        assert!(decode(&file.encode().unwrap()).is_err());
    }
}
