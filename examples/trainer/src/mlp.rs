//! A network of one hidden layer: inputs, rectified linear units, softmax over the classes. Its loss is the cross-entropy.

use std::ops::Range;

use crate::rng::Rng;

/// The sizes of the three layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Numbers that go in.
    pub inputs: usize,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Classes that come out.
    pub classes: usize,
}

impl Shape {
    /// Parameters in all.
    pub fn parameters(self) -> usize {
        self.bias2().end
    }

    /// Where the hidden layer's weights lie: one row of `inputs` numbers per unit.
    pub fn weight1(self) -> Range<usize> {
        0..self.hidden * self.inputs
    }

    /// Where the hidden layer's biases lie.
    pub fn bias1(self) -> Range<usize> {
        let start = self.weight1().end;
        start..start + self.hidden
    }

    /// Where the output layer's weights lie: one row of `hidden` numbers per class.
    pub fn weight2(self) -> Range<usize> {
        let start = self.bias1().end;
        start..start + self.classes * self.hidden
    }

    /// Where the output layer's biases lie.
    pub fn bias2(self) -> Range<usize> {
        let start = self.weight2().end;
        start..start + self.classes
    }
}

/// A network: its shape and all its parameters in one row, in the order weight1, bias1, weight2, bias2.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    shape: Shape,
    parameters: Vec<f32>,
}

/// What one pass through the network computes; kept by the caller so that no pass allocates.
#[derive(Clone, Debug)]
pub struct Scratch {
    hidden: Vec<f32>,
    hidden_error: Vec<f32>,
    output: Vec<f32>,
}

impl Scratch {
    /// Room for passes through a network of this shape.
    pub fn new(shape: Shape) -> Self {
        Self {
            hidden: vec![0.0; shape.hidden],
            hidden_error: vec![0.0; shape.hidden],
            output: vec![0.0; shape.classes],
        }
    }
}

impl Mlp {
    /// A network with random weights (He's uniform start, which suits rectified units) and no biases.
    pub fn random(shape: Shape, rng: &mut Rng) -> Self {
        let mut parameters = vec![0.0; shape.parameters()];
        for (range, fan_in) in [(shape.weight1(), shape.inputs), (shape.weight2(), shape.hidden)] {
            let limit = (6.0 / fan_in.max(1) as f32).sqrt();
            parameters[range].iter_mut().for_each(|weight| *weight = rng.symmetric(limit));
        }
        Self { shape, parameters }
    }

    /// A network of these parameters; `None` when a layer is empty or there aren't exactly as many as the shape needs.
    pub fn from_parameters(shape: Shape, parameters: Vec<f32>) -> Option<Self> {
        let empty = shape.inputs == 0 || shape.hidden == 0 || shape.classes == 0;
        (!empty && parameters.len() == shape.parameters()).then_some(Self { shape, parameters })
    }

    /// The layers' sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All parameters in their order.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// All parameters, to change them.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// The most likely class for `inputs`.
    pub fn classify(&self, inputs: &[f32], scratch: &mut Scratch) -> usize {
        self.forward(inputs, scratch);
        let best = |best: usize, class: usize| if scratch.output[class] > scratch.output[best] { class } else { best };
        (0..self.shape.classes).fold(0, best)
    }

    /// The loss for one sample; adds its gradient to `gradient`, which has the parameters' order.
    pub fn learn(&self, inputs: &[f32], class: usize, gradient: &mut [f32], scratch: &mut Scratch) -> f32 {
        let loss = self.loss(inputs, class, scratch);
        scratch.output[class] -= 1.0; // softmax and cross-entropy together have this simple derivative
        let Shape { inputs: width, hidden, .. } = self.shape;

        scratch.hidden_error.fill(0.0);
        let weight2 = &self.parameters[self.shape.weight2()];
        let (gradient1, gradient2) = gradient.split_at_mut(self.shape.weight2().start);
        let (gradient_weight2, gradient_bias2) = gradient2.split_at_mut(weight2.len());
        for (class, &error) in scratch.output.iter().enumerate() {
            let row = class * hidden..(class + 1) * hidden;
            add_scaled(&mut gradient_weight2[row.clone()], error, &scratch.hidden);
            add_scaled(&mut scratch.hidden_error, error, &weight2[row]);
            gradient_bias2[class] += error;
        }

        let (gradient_weight1, gradient_bias1) = gradient1.split_at_mut(self.shape.weight1().len());
        for (unit, &error) in scratch.hidden_error.iter().enumerate() {
            if scratch.hidden[unit] > 0.0 {
                add_scaled(&mut gradient_weight1[unit * width..(unit + 1) * width], error, inputs);
                gradient_bias1[unit] += error;
            }
        }
        loss
    }

    /// The cross-entropy of one sample in nats; leaves the classes' probabilities in `scratch`.
    pub fn loss(&self, inputs: &[f32], class: usize, scratch: &mut Scratch) -> f32 {
        self.forward(inputs, scratch);
        let largest = scratch.output.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let chosen = scratch.output[class] - largest;
        let mut total = 0.0;
        for output in &mut scratch.output {
            *output = (*output - largest).exp(); // the largest becomes 1, so nothing overflows
            total += *output;
        }
        scratch.output.iter_mut().for_each(|output| *output /= total);
        total.ln() - chosen
    }

    /// Fills `scratch` with the hidden units' and the classes' activations.
    fn forward(&self, inputs: &[f32], scratch: &mut Scratch) {
        let Shape { inputs: width, hidden, .. } = self.shape;
        let layer1 =
            self.parameters[self.shape.weight1()].chunks_exact(width).zip(&self.parameters[self.shape.bias1()]);
        for (unit, (row, bias)) in scratch.hidden.iter_mut().zip(layer1) {
            *unit = (dot(row, inputs) + bias).max(0.0);
        }
        let layer2 =
            self.parameters[self.shape.weight2()].chunks_exact(hidden).zip(&self.parameters[self.shape.bias2()]);
        for (output, (row, bias)) in scratch.output.iter_mut().zip(layer2) {
            *output = dot(row, &scratch.hidden) + bias;
        }
    }
}

/// The sum of the products; eight running sums let the compiler use vector instructions.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left_blocks, left_rest) = left.as_chunks::<8>();
    let (right_blocks, right_rest) = right.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in left_blocks.iter().zip(right_blocks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// Adds `scale` times `values` to `target`.
fn add_scaled(target: &mut [f32], scale: f32, values: &[f32]) {
    for (sum, value) in target.iter_mut().zip(values) {
        *sum += scale * value;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::rng::Rng; // proptest has a trait of that name
    use proptest::prelude::*;

    /// A random network, a random sample and its class.
    fn case(shape: Shape, seed: u64) -> (Mlp, Vec<f32>, usize) {
        let mut rng = Rng::new(seed);
        let mut network = Mlp::random(shape, &mut rng);
        for parameter in network.parameters_mut() {
            *parameter += rng.symmetric(0.1); // biases too, or their gradient would be tried at zero only
        }
        let inputs = (0..shape.inputs).map(|_| rng.symmetric(1.0)).collect();
        (network, inputs, rng.below(shape.classes))
    }

    proptest! {
        /// The gradient is the slope of the loss: moving a little along it changes the loss by what it predicts.
        #[test]
        fn the_gradient_is_the_slope_of_the_loss(
            seed: u64, inputs in 1_usize..20, hidden in 1_usize..20, classes in 2_usize..6,
        ) {
            let shape = Shape { inputs, hidden, classes };
            let (network, sample, class) = case(shape, seed);
            let mut scratch = Scratch::new(shape);
            let mut gradient = vec![0.0; shape.parameters()];
            network.learn(&sample, class, &mut gradient, &mut scratch);

            let mut rng = Rng::new(!seed);
            let direction: Vec<f32> = gradient.iter().map(|_| rng.symmetric(1.0)).collect();
            let predicted: f32 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let at = |step: f32| {
                let moved = network.parameters.iter().zip(&direction).map(|(p, d)| p + step * d).collect();
                let mut scratch = Scratch::new(shape);
                let loss = Mlp::from_parameters(shape, moved).unwrap().loss(&sample, class, &mut scratch);
                let active: Vec<bool> = scratch.hidden.iter().map(|&unit| unit > 0.0).collect();
                (loss, active)
            };
            // A unit's input moves in a straight line, so units equally active at both ends crossed no kink on the way:
            // only between such ends is there a slope to measure.
            let smooth = [1e-2_f32, 3e-3, 1e-3, 3e-4].into_iter().filter_map(|step| {
                let ((ahead, active), (behind, also)) = (at(step), at(-step));
                (active == also).then(|| ((ahead - behind) / (2.0 * step) - predicted).abs())
            });
            let error = smooth.fold(f32::INFINITY, f32::min);
            prop_assume!(error.is_finite());
            prop_assert!(error < 0.02 * (1.0 + predicted.abs()), "slope {predicted}, off by {error}");
        }

        #[test]
        fn probabilities_sum_to_one_however_large_the_outputs(seed: u64, scale in 0.0_f32..1000.0) {
            let shape = Shape { inputs: 5, hidden: 7, classes: 4 };
            let (mut network, sample, class) = case(shape, seed);
            network.parameters_mut().iter_mut().for_each(|parameter| *parameter *= scale);
            let mut scratch = Scratch::new(shape);
            let loss = network.loss(&sample, class, &mut scratch);
            prop_assert!(loss.is_finite() && loss >= 0.0);
            prop_assert!((scratch.output.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }

        #[test]
        fn the_chosen_class_is_the_likeliest(seed: u64) {
            let shape = Shape { inputs: 5, hidden: 7, classes: 4 };
            let (network, sample, _) = case(shape, seed);
            let mut scratch = Scratch::new(shape);
            let chosen = network.classify(&sample, &mut scratch);
            let losses: Vec<f32> = (0..4).map(|class| network.loss(&sample, class, &mut scratch)).collect();
            prop_assert!(losses.iter().all(|&loss| losses[chosen] <= loss));
        }
    }

    #[test]
    fn a_network_worked_out_by_hand() {
        // Two inputs, two units (the second is off), two classes.
        let shape = Shape { inputs: 2, hidden: 2, classes: 2 };
        let parameters = vec![1.0, 2.0, -1.0, 0.0, 0.5, 0.0, 1.0, 9.0, -1.0, 9.0, 0.0, 0.25];
        let network = Mlp::from_parameters(shape, parameters).unwrap();
        let mut scratch = Scratch::new(shape);
        assert_eq!(network.classify(&[1.0, 1.0], &mut scratch), 0);
        assert_eq!(scratch.hidden, [3.5, 0.0]);
        assert_eq!(scratch.output, [3.5, -3.25]);
    }

    #[test]
    fn the_wrong_number_of_parameters_is_refused() {
        let shape = Shape { inputs: 3, hidden: 2, classes: 2 };
        assert_eq!(shape.parameters(), 14);
        assert!(Mlp::from_parameters(shape, vec![0.0; 13]).is_none());
        assert!(Mlp::from_parameters(Shape { inputs: 0, hidden: 0, classes: 2 }, vec![0.0; 2]).is_none());
    }
}
