//! Fixed random streams of pods, and what a node would take from them.

use super::{
    mix::Kind,
    shape::{MOST_DEVICES, Shape, WHOLE},
    state::State,
};

/// Pods that a stream holds at most: they are the bits of a word.
const LONGEST: usize = 64;
/// The width of a step in the table that finds a class of cores, in thousandths of a core, as a power of two.
const CPU_STEP: u32 = 8;

/// Streams of pods, each offered to a node in turn. They are the same for every node, so that noise cancels in
/// differences.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    all: Vec<Stream>,
    /// Distinct needs of cores, ascending, in thousandths.
    cpus: Vec<u32>,
    /// By cores in steps: how many of `cpus` are no more than the step's start.
    cpu_class: Vec<u16>,
    /// By thousandths of an accelerator: how many distinct needs are no more.
    share_class: Vec<u16>,
}

/// One stream. A set of its pods is a word, the first offered the lowest bit.
#[derive(Clone, Debug)]
struct Stream {
    pods: Vec<Offer>,
    /// By class: the pods that need no more cores.
    by_cpu: Vec<u64>,
    /// By class: the pods that need no more of an accelerator.
    by_share: Vec<u64>,
    /// By model: the pods that may run on it.
    by_model: Vec<u64>,
    /// By whole accelerators that are free: the pods that need no more of them.
    by_whole: [u64; MOST_DEVICES + 1],
    /// Pods that need several accelerators.
    several: u64,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    shape: Shape,
    gain: i64,
    kind: u32,
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
        let all = offers.chunks(length).map(|pods| Stream::new(pods.to_vec(), &cpus, &shares)).collect();
        Self { all, cpus, cpu_class, share_class }
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Fills a node in `state` from each stream, every pod that fits in turn, and calls `took` with each one's gain in
    /// millionths of an accelerator and its kind. A node's memory is left out: it is hardly ever what runs short.
    pub fn fill(&self, state: &State, mut took: impl FnMut(i64, u32)) {
        for stream in &self.all {
            let mut node = *state;
            let mut left = stream.by_model.get(usize::from(node.model)).copied().unwrap_or(0);
            loop {
                left &= stream.by_cpu[self.cpu_class(node.cpu_milli)];
                left &= stream.by_share[usize::from(self.share_class[usize::from(node.most_free().min(WHOLE))])];
                if left & stream.several != 0 {
                    left &= stream.by_whole[node.with_free(WHOLE)];
                }
                if left == 0 {
                    break;
                }
                let offer = &stream.pods[left.trailing_zeros() as usize];
                left &= left - 1;
                node.take(&offer.shape, 0);
                took(offer.gain, offer.kind);
            }
        }
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

impl Stream {
    fn new(pods: Vec<Offer>, cpus: &[u32], shares: &[u16]) -> Self {
        let those = |may: &dyn Fn(&Shape) -> bool| {
            pods.iter().enumerate().fold(0u64, |set, (i, o)| if may(&o.shape) { set | 1 << i } else { set })
        };
        let by_cpu = (0..=cpus.len()).map(|n| those(&|s| n > 0 && s.cpu_milli <= cpus[n - 1])).collect();
        let by_share = (0..=shares.len()).map(|n| those(&|s| n > 0 && s.share_milli <= shares[n - 1])).collect();
        let by_model = (0..64).map(|model| those(&|s| s.devices == 0 || s.models.contains(model))).collect();
        let mut by_whole = [0; MOST_DEVICES + 1];
        for (whole, set) in by_whole.iter_mut().enumerate() {
            *set = those(&|s| s.devices < 2 || usize::from(s.devices) <= whole);
        }
        let several = those(&|s| s.devices > 1);
        Self { pods, by_cpu, by_share, by_model, by_whole, several }
    }
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
            offers.push(Offer { shape, gain, kind: number });
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
