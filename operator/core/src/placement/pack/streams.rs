//! Fixed random streams of pods, and what a node would take from them.

use super::{
    mix::Kind,
    shape::{MOST_DEVICES, Models, Shape, WHOLE},
    state::State,
};

/// Pods that a stream holds at most: they are the bits of a word.
const LONGEST: usize = 64;
/// Streams that a node is filled from side by side.
const AT_ONCE: usize = 16;
/// The width of a step in the table that finds a class of cores, in thousandths of a core, as a power of two.
const CPU_STEP: u32 = 8;

/// Streams of pods, each offered to a node in turn. They are the same for every node, so that noise cancels in
/// differences. A set of a stream's pods is a word, the first offered the lowest bit; of each table, the words of all
/// streams lie side by side, because a node is filled from every stream.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// How many streams there are.
    count: usize,
    /// How many pods a stream offers.
    length: usize,
    /// The streams' pods, one stream after the other.
    pods: Vec<Offer>,
    /// By model: the pods that may run on it.
    by_model: Vec<u64>,
    /// By class: the pods that need no more cores.
    by_cpu: Vec<u64>,
    /// By class: the pods that need no more of an accelerator.
    by_share: Vec<u64>,
    /// By whole accelerators that are free: the pods that need no more of them. Empty if none needs several.
    by_whole: Vec<u64>,
    /// Distinct needs of cores, ascending, in thousandths.
    cpus: Vec<u32>,
    /// By cores in steps: how many of `cpus` are no more than the step's start.
    cpu_class: Vec<u16>,
    /// By thousandths of an accelerator: how many distinct needs are no more.
    share_class: Vec<u16>,
}

/// A pod that is offered: of its shape what filling needs.
#[derive(Clone, Copy, Debug)]
struct Offer {
    gain: i64,
    cpu_milli: u32,
    kind: u32,
    /// What it needs of each accelerator, as in [`Node::free`].
    lane: i16,
    devices: u8,
}

/// How streams are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// How many streams.
    pub streams: usize,
    /// How many pods each offers where all rates are 1.
    pub length: usize,
    /// Where the random numbers start.
    pub seed: u64,
    /// What a core for a pod without accelerators is worth, in thousandths of an accelerator.
    pub core_worth: u32,
}

impl Streams {
    /// Draws streams from `kinds`, each as often as its part times its rate.
    pub fn draw(kinds: &[Kind], rates: &[f64], draw: &Draw) -> Self {
        let mut random = Random(draw.seed);
        let rate: f64 = kinds.iter().zip(rates).map(|(kind, rate)| kind.part * rate).sum();
        let length = ((draw.length as f64 * rate).round() as usize).clamp(1, LONGEST);
        let offers = offers(kinds, rates, rate, length * draw.streams, draw.core_worth, &mut random);
        let mut cpus: Vec<u32> = kinds.iter().map(|kind| kind.shape.cpu_milli).collect();
        cpus.sort_unstable();
        cpus.dedup();
        let mut shares: Vec<u16> = kinds.iter().map(|kind| kind.shape.share_milli).collect();
        shares.sort_unstable();
        shares.dedup();
        let steps = cpus.last().map_or(0, |most| most >> CPU_STEP) + 2;
        let class = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let cpu_class = (0..steps).map(|step| class(cpus.partition_point(|&c| c <= step << CPU_STEP))).collect();
        let share_class = (0..=WHOLE).map(|milli| class(shares.partition_point(|&s| s <= milli))).collect();
        let shape = |offer: &Offer| kinds[offer.kind as usize].shape;
        let rows = |rows: usize, row: &dyn Fn(&Shape) -> usize| table(&offers, length, rows, &|o| row(&shape(o)));
        let several = kinds.iter().zip(rates).any(|(kind, &rate)| kind.shape.devices > 1 && rate > 0.0);
        let by_whole = if several {
            rows(MOST_DEVICES + 1, &|s| if s.devices < 2 { 0 } else { usize::from(s.devices) })
        } else {
            Vec::new()
        };
        Self {
            count: offers.len().div_ceil(length),
            length,
            by_model: by_model(&offers, length, kinds),
            by_cpu: rows(cpus.len() + 1, &|s| cpus.partition_point(|&c| c < s.cpu_milli) + 1),
            by_share: rows(shares.len() + 1, &|s| shares.partition_point(|&c| c < s.share_milli) + 1),
            by_whole,
            pods: offers,
            cpus,
            cpu_class,
            share_class,
        }
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Fills a node in `state` from each stream, every pod that fits in turn, and calls `took` with each one's gain in
    /// millionths of an accelerator and its kind. A node's memory is left out: it is hardly ever what runs short.
    pub fn fill(&self, state: &State, took: impl FnMut(i64, u32)) {
        if state.free().len() <= 8 {
            self.fill_node::<8>(state, took);
        } else {
            self.fill_node::<MOST_DEVICES>(state, took);
        }
    }

    /// Takes one pod of each stream in turn: what one stream takes doesn't wait for what another took.
    fn fill_node<const LANES: usize>(&self, state: &State, mut took: impl FnMut(i64, u32)) {
        let may_run = self.by_model.get(usize::from(state.model) * self.count..).unwrap_or_default();
        let start = Node::<LANES>::new(state);
        for first in (0..self.count).step_by(AT_ONCE) {
            let mut nodes = [start; AT_ONCE];
            let mut left = [0; AT_ONCE];
            let mut active: [usize; AT_ONCE] = std::array::from_fn(|i| i);
            let mut count = AT_ONCE.min(self.count - first);
            left.iter_mut().zip(&may_run[first..]).take(count).for_each(|(left, may)| *left = *may);
            while count > 0 {
                let mut still = 0;
                for i in 0..count {
                    let at = active[i];
                    let set = left[at] & self.fitting(&nodes[at], first + at);
                    let Some(offer) = self.offer(set, first + at) else { continue };
                    left[at] = set & (set - 1);
                    nodes[at].take(offer);
                    took(offer.gain, offer.kind);
                    active[still] = at;
                    still += 1;
                }
                count = still;
            }
        }
    }

    /// The first of a set of a stream's pods.
    fn offer(&self, set: u64, stream: usize) -> Option<&Offer> {
        if set == 0 { None } else { self.pods.get(stream * self.length + set.trailing_zeros() as usize) }
    }

    /// A stream's pods that fit a node, whatever its model.
    fn fitting<const LANES: usize>(&self, node: &Node<LANES>, stream: usize) -> u64 {
        let word = |table: &[u64], row: usize| table.get(row * self.count + stream).copied().unwrap_or(0);
        let share = self.share_class.get(node.most_free()).copied().unwrap_or(0);
        let set = word(&self.by_cpu, self.cpu_class(node.cpu_milli)) & word(&self.by_share, usize::from(share));
        if self.by_whole.is_empty() { set } else { set & word(&self.by_whole, node.whole()) }
    }

    /// How many of the distinct needs of cores are no more than `cpu_milli`.
    fn cpu_class(&self, cpu_milli: u32) -> usize {
        let step = (cpu_milli >> CPU_STEP) as usize;
        let Some(&class) = self.cpu_class.get(step) else { return self.cpus.len() };
        let mut class = usize::from(class);
        while self.cpus.get(class).is_some_and(|&c| c <= cpu_milli) {
            class += 1;
        }
        class
    }
}

/// A node while it is filled.
#[derive(Clone, Copy)]
struct Node<const LANES: usize> {
    cpu_milli: u32,
    /// What each accelerator has free, in thousandths times 16, plus its number: so the tightest one that will do is the
    /// least of those that will, found and changed without a branch.
    free: [i16; LANES],
}

/// A whole accelerator's part of a lane.
const WHOLE_LANE: i16 = WHOLE as i16 * 16;

impl<const LANES: usize> Node<LANES> {
    fn new(state: &State) -> Self {
        let mut free = [0; LANES];
        for (number, (lane, milli)) in (0..).zip(free.iter_mut().zip(state.free().iter().chain(&[0; MOST_DEVICES]))) {
            *lane = (*milli).min(WHOLE) as i16 * 16 + number;
        }
        Self { cpu_milli: state.cpu_milli, free }
    }

    fn most_free(&self) -> usize {
        (self.free.iter().fold(0, |most, &lane| most.max(lane)) / 16) as usize
    }

    fn whole(&self) -> usize {
        self.free.iter().filter(|&&lane| lane >= WHOLE_LANE).count()
    }

    /// Takes what a pod needs, a share from the tightest accelerator. The pod must fit.
    fn take(&mut self, offer: &Offer) {
        self.cpu_milli = self.cpu_milli.saturating_sub(offer.cpu_milli);
        self.take_lane(offer.lane);
        for _ in 1..offer.devices {
            self.take_lane(offer.lane);
        }
    }

    fn take_lane(&mut self, need: i16) {
        // What is left, from the least number there is on; what falls below wraps to over 0 and is never the least.
        let left = self.free.map(|lane| lane.wrapping_sub(need).wrapping_add(i16::MIN));
        let tightest = left.iter().fold(i16::MAX, |least, &left| least.min(left));
        for (lane, left) in self.free.iter_mut().zip(left) {
            *lane -= if left == tightest { need } else { 0 };
        }
    }
}

/// By row, a word for each stream: its pods of that row and those before.
fn table(offers: &[Offer], length: usize, rows: usize, row: &dyn Fn(&Offer) -> usize) -> Vec<u64> {
    let count = offers.len().div_ceil(length);
    let mut words = vec![0; rows * count];
    for (stream, pods) in offers.chunks(length).enumerate() {
        for (bit, offer) in pods.iter().enumerate() {
            if let Some(word) = words.get_mut(row(offer) * count + stream) {
                *word |= 1 << bit;
            }
        }
    }
    for at in count..words.len() {
        words[at] |= words[at - count];
    }
    words
}

/// By model, a word for each stream: its pods that may run on it.
fn by_model(offers: &[Offer], length: usize, kinds: &[Kind]) -> Vec<u64> {
    let models = |offer: &Offer| match kinds[offer.kind as usize].shape {
        Shape { devices: 0, .. } => Models::ANY,
        Shape { models, .. } => models,
    };
    let count = offers.len().div_ceil(length);
    let mut words = vec![0; 64 * count];
    for (stream, pods) in offers.chunks(length).enumerate() {
        let all = u64::MAX >> (64 - pods.len());
        words.iter_mut().skip(stream).step_by(count).for_each(|word| *word = all);
        for (bit, offer) in pods.iter().enumerate() {
            let not = !models(offer).0;
            for model in (0..64).filter(|model| not >> model & 1 == 1) {
                words[model * count + stream] &= !(1 << bit);
            }
        }
    }
    words
}

/// `count` pods in random order, each kind nearly exactly as often as its part times its rate.
fn offers(kinds: &[Kind], rates: &[f64], rate: f64, count: usize, core_worth: u32, random: &mut Random) -> Vec<Offer> {
    let mut offers = Vec::with_capacity(count);
    let start = random.unit();
    let mut sum = 0.0;
    for (number, (kind, own)) in (0u32..).zip(kinds.iter().zip(rates)) {
        sum += kind.part * own / rate;
        let shape = kind.shape;
        let gain = if shape.devices == 0 {
            i64::from(shape.cpu_milli) * i64::from(core_worth)
        } else {
            i64::from(shape.milli()) * 1000
        };
        while offers.len() < count && (offers.len() as f64 + start) / (count as f64) < sum {
            let Shape { cpu_milli, share_milli, devices, .. } = shape;
            offers.push(Offer { gain, cpu_milli, kind: number, lane: share_milli.min(WHOLE) as i16 * 16, devices });
        }
    }
    for i in (1..offers.len()).rev() {
        offers.swap(i, random.below(i + 1));
    }
    offers
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number from 0 to, but not, 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
