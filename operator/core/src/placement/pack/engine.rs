//! Places pods one after another.

use super::{
    fill::Fill,
    mix::Mix,
    packer::{Packer, Placement},
    shape::Shape,
    shape::ShapeId,
    state::{CPU_STEP_MILLI, State},
};

/// Pods after which a mix that is learned is first believed.
const FIRST_LESSON: u64 = 16;
/// How many times more pods must have come before the next lesson.
const NEXT_LESSON: u64 = 3;
/// Decisions between two looks at what is scarce, at least.
const LEAST_PAUSE: usize = 32;

/// A cluster, and the policy that fills it.
#[derive(Debug)]
pub struct Engine {
    packer: Packer,
    policy: Fill,
    /// The nodes as they were at first, by state.
    nodes: Vec<(State, usize)>,
    lessons: Option<Lessons>,
    /// Decisions until the next look at what is scarce.
    pause: usize,
}

#[derive(Debug)]
struct Lessons {
    mix: Mix,
    next: u64,
}

impl Engine {
    /// An engine that is told the mix of pods to come. Nodes are as in [`Packer::new`].
    pub fn told(nodes: &[(State, u32)], mix: &Mix) -> Self {
        let mut engine = Self::learning(nodes);
        engine.lessons = None;
        engine.policy = Fill::new(mix, &engine.nodes);
        engine
    }

    /// An engine that learns the mix from the pods it is asked to place.
    pub fn learning(nodes: &[(State, u32)]) -> Self {
        let packer = Packer::in_steps(nodes, CPU_STEP_MILLI);
        let by_state = packer.states().map(|(state, count)| (*state, count)).collect();
        let lessons = Some(Lessons { mix: Mix::default(), next: FIRST_LESSON });
        Self { packer, policy: Fill::default(), nodes: by_state, lessons, pause: 0 }
    }

    /// The nodes as they are.
    pub fn packer(&self) -> &Packer {
        &self.packer
    }

    /// Makes a shape known.
    pub fn shape(&mut self, shape: Shape) -> ShapeId {
        self.packer.shape(shape)
    }

    /// Places a pod, and takes what it needs out of its node; `None` if it fits nowhere.
    pub fn place(&mut self, shape: ShapeId) -> Option<Placement> {
        self.learn(shape);
        if self.pause == 0 {
            self.pause = LEAST_PAUSE.max(self.packer.groups() / 16);
            if let Some(lessons) = &self.lessons {
                self.policy.learn(&lessons.mix);
            }
            self.policy.update(&mut self.packer);
        }
        self.pause -= 1;
        let placement = self.packer.best(shape, &mut self.policy)?;
        self.packer.place(shape, &placement);
        Some(placement)
    }

    fn learn(&mut self, shape: ShapeId) {
        let (Some(lessons), Some(shape)) = (&mut self.lessons, self.packer.known(shape)) else { return };
        lessons.mix.count(shape);
        if lessons.mix.total() >= lessons.next {
            lessons.next *= NEXT_LESSON;
            self.policy = Fill::new(&lessons.mix, &self.nodes);
            self.packer.forget();
            self.pause = 0;
        }
    }
}
