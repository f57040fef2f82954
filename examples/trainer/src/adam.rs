//! Adam with decoupled weight decay (AdamW): how parameters follow their gradient.

/// The usual decay of the gradients' running mean.
const MEAN_DECAY: f32 = 0.9;
/// The usual decay of the squared gradients' running mean.
const SQUARE_DECAY: f32 = 0.999;
/// Keeps the division away from zero.
const EPSILON: f32 = 1e-8;

/// The optimiser's memory of past gradients.
#[derive(Clone, Debug)]
pub struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    // What is left of the two means' zero start; they shrink to 0 as steps go by.
    mean_bias: f32,
    square_bias: f32,
}

impl Adam {
    /// An optimiser for that many parameters.
    pub fn new(parameters: usize) -> Self {
        Self { mean: vec![0.0; parameters], square: vec![0.0; parameters], mean_bias: 1.0, square_bias: 1.0 }
    }

    /// Moves `parameters` one step against `gradient`, and towards 0 by `rate` x `decay` of their size.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32, decay: f32) {
        self.mean_bias *= MEAN_DECAY;
        self.square_bias *= SQUARE_DECAY;
        let (mean_scale, square_scale) = (1.0 / (1.0 - self.mean_bias), 1.0 / (1.0 - self.square_bias));
        let memory = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, &slope), (mean, square)) in parameters.iter_mut().zip(gradient).zip(memory) {
            *mean = MEAN_DECAY * *mean + (1.0 - MEAN_DECAY) * slope;
            *square = SQUARE_DECAY * *square + (1.0 - SQUARE_DECAY) * slope * slope;
            let step = *mean * mean_scale / ((*square * square_scale).sqrt() + EPSILON);
            *parameter -= rate * (step + decay * *parameter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Adam;
    use proptest::prelude::*;

    proptest! {
        /// The bias correction makes the first step exactly one learning rate, whatever the gradient's size.
        #[test]
        fn the_first_step_has_the_size_of_the_rate(slope in prop_oneof![-1e3_f32..-1e-3, 1e-3_f32..1e3], rate in 1e-4_f32..0.1) {
            let mut parameters = [1.0_f32];
            Adam::new(1).step(&mut parameters, &[slope], rate, 0.0);
            let moved = 1.0 - parameters[0];
            prop_assert!((moved - rate * slope.signum()).abs() < 1e-6 + 1e-3 * rate, "moved {moved}");
        }
    }

    #[test]
    fn it_finds_the_bottom_of_a_bowl() {
        let mut at = [4.0_f32, -3.0];
        let mut adam = Adam::new(2);
        for _ in 0..2000 {
            let slope = [2.0 * (at[0] - 1.0), 20.0 * (at[1] - 2.0)];
            adam.step(&mut at, &slope, 0.02, 0.0);
        }
        assert!((at[0] - 1.0).abs() < 0.01 && (at[1] - 2.0).abs() < 0.01, "{at:?}");
    }

    #[test]
    fn decay_alone_shrinks_a_parameter() {
        let mut at = [2.0_f32];
        Adam::new(1).step(&mut at, &[0.0], 0.1, 0.5);
        assert!((at[0] - 1.9).abs() < 1e-6);
    }
}
