//! What is kept for pods that few places can take.
//!
//! Pods of several accelerators need them free on one node, and pods bound to a model need that model. Their last
//! places go to them rather than to a pod that could go elsewhere: a place is worth what it would lose times the
//! probability that the demand still to come needs it (Littlewood's rule, 1972).

use super::{
    mix::Kind,
    shape::{Models, WHOLE},
    state::State,
};

/// Steps that probabilities are rounded to. Prices, and with them every node's score, then change seldom.
const STEPS: f64 = 16.0;

/// What the places that several accelerators need are worth, and how scarce models are.
#[derive(Clone, Debug, Default)]
pub struct Reserve {
    families: Vec<Family>,
    /// Sets of models that pods are bound to, and the thousandths that those pods take of each pod that arrives.
    bound: Vec<(Models, f64)>,
    /// By model: how much more what is free there counts, in [`STEPS`].
    scarcity: Vec<i64>,
}

/// What an update changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No price.
    Nothing,
    /// What places cost, which only nodes that [`Reserve::concerns`] have.
    Places,
    /// What every node is worth.
    Everything,
}

/// Pods of as many accelerators and the same models.
#[derive(Clone, Debug)]
struct Family {
    devices: u8,
    models: Models,
    /// By cores needed, ascending.
    tiers: Vec<Tier>,
    /// Whether any tier has a price.
    is_priced: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tier {
    cpu_milli: u32,
    /// Part of all pods.
    part: f64,
    /// What a place that can take this tier is worth, in millionths of an accelerator.
    price: i64,
}

/// What the cluster can still take, as far as the value of its nodes tells.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// Thousandths that nodes can still take, by model.
    pub milli_by_model: Vec<f64>,
    /// Pods that are still to come until everything is full.
    pub pods: f64,
    /// Pods that the mix was learned from; infinite where it was told.
    pub seen: f64,
}

impl Reserve {
    /// Takes in how often pods arrive that few places can take. Prices stay until the next [`Self::update`].
    pub fn learn(&mut self, kinds: &[Kind]) {
        self.scarcity.resize(64, 0);
        self.bound.clear();
        self.families.iter_mut().flat_map(|family| &mut family.tiers).for_each(|tier| tier.part = 0.0);
        for kind in kinds {
            let shape = kind.shape;
            if shape.devices > 1 {
                self.family(shape.devices, shape.models).add(shape.cpu_milli, kind.part);
            }
            if shape.devices > 0 && shape.models != Models::ANY {
                let milli = kind.part * f64::from(shape.milli());
                match self.bound.iter_mut().find(|(models, _)| *models == shape.models) {
                    Some((_, sum)) => *sum += milli,
                    None => self.bound.push((shape.models, milli)),
                }
            }
        }
    }

    fn family(&mut self, devices: u8, models: Models) -> &mut Family {
        let at = self.families.iter().position(|f| f.devices == devices && f.models == models);
        let at = at.unwrap_or_else(|| {
            self.families.push(Family { devices, models, tiers: Vec::new(), is_priced: false });
            self.families.len() - 1
        });
        &mut self.families[at]
    }

    /// A node's worth in millionths of an accelerator: `fill`, which is what it would take from streams, scaled by the
    /// scarcity of its model, and the places that are kept.
    pub fn worth(&self, state: &State, fill: i64) -> i64 {
        let scarcity = self.scarcity.get(usize::from(state.model)).copied().unwrap_or(0);
        let priced = self.families.iter().filter(|f| f.is_priced && f.models.contains(state.model));
        fill + fill * scarcity / STEPS as i64 + priced.map(|f| f.worth(state)).max().unwrap_or(0)
    }

    /// Whether a node's worth depends on what places cost.
    pub fn concerns(&self, state: &State) -> bool {
        self.families.iter().any(|f| f.models.contains(state.model) && state.with_free(WHOLE) >= usize::from(f.devices))
    }

    /// Whether anything is protected, so that [`Self::update`] has work.
    pub fn is_empty(&self) -> bool {
        self.families.is_empty() && self.bound.is_empty()
    }

    /// Prices anew what `states`, each with the number of its nodes and their fill, have left. Says what changed.
    pub fn update(&mut self, states: &[(State, usize, i64)], outlook: &Outlook) -> Change {
        let mut places = false;
        for family in &mut self.families {
            places |= family.update(states, outlook);
        }
        let scarcity = self.scarcity_of_models(outlook);
        if scarcity != self.scarcity {
            self.scarcity = scarcity;
            return Change::Everything;
        }
        if places { Change::Places } else { Change::Nothing }
    }

    fn scarcity_of_models(&self, outlook: &Outlook) -> Vec<i64> {
        let mut scarcity = vec![0; 64];
        for (models, _) in &self.bound {
            let room: f64 =
                (0u8..).zip(&outlook.milli_by_model).filter(|(m, _)| models.contains(*m)).map(|(_, milli)| milli).sum();
            let inside = self.bound.iter().filter(|(other, _)| other.0 & !models.0 == 0);
            let demand = inside.map(|(_, milli)| milli).sum::<f64>() * outlook.pods;
            if room <= 0.0 {
                continue;
            }
            // The demand's spread, as if it came in whole accelerators.
            let spread = (demand * f64::from(WHOLE)).sqrt().max(1.0);
            let steps = (normal_tail((room - demand) / spread) * STEPS).round() as i64;
            for (_, scarce) in (0u8..).zip(&mut scarcity).filter(|(m, _)| models.contains(*m)) {
                *scarce = steps.max(*scarce);
            }
        }
        scarcity
    }
}

impl Family {
    fn add(&mut self, cpu_milli: u32, part: f64) {
        match self.tiers.binary_search_by_key(&cpu_milli, |tier| tier.cpu_milli) {
            Ok(at) => self.tiers[at].part += part,
            Err(at) => self.tiers.insert(at, Tier { cpu_milli, part, price: 0 }),
        }
    }

    /// How many pods with that need of cores a node takes whose accelerators suffice for `whole`.
    fn places(state: &State, whole: u32, cpu_milli: u32) -> u32 {
        if whole == 0 { 0 } else { whole.min(state.cpu_milli.checked_div(cpu_milli).unwrap_or(whole)) }
    }

    /// How many pods a node's accelerators suffice for.
    fn whole(&self, state: &State) -> u32 {
        state.with_free(WHOLE) as u32 / u32::from(self.devices.max(1))
    }

    fn worth(&self, state: &State) -> i64 {
        let whole = self.whole(state);
        let priced = self.tiers.iter().filter(|tier| whole > 0 && tier.price > 0);
        priced.map(|tier| i64::from(Self::places(state, whole, tier.cpu_milli)) * tier.price).max().unwrap_or(0)
    }

    fn update(&mut self, states: &[(State, usize, i64)], outlook: &Outlook) -> bool {
        let mut places = vec![0.0; self.tiers.len()];
        for (state, count, _) in states {
            let whole = if self.models.contains(state.model) { self.whole(state) } else { 0 };
            if whole == 0 {
                continue;
            }
            for (sum, tier) in places.iter_mut().zip(&self.tiers) {
                *sum += f64::from(Self::places(state, whole, tier.cpu_milli)) * *count as f64;
            }
        }
        // Whoever needs more cores competes for the same places.
        let mut demand = 0.0;
        let mut chances = vec![0.0; self.tiers.len()];
        for ((chance, tier), places) in chances.iter_mut().zip(&self.tiers).zip(&places).rev() {
            demand += tier.part * outlook.pods;
            *chance = if *places > 0.0 { at_least(demand, *places, outlook.pods / outlook.seen) } else { 0.0 };
        }
        let (mut highest, mut changed) = (0.0f64, false);
        for (tier, chance) in self.tiers.iter_mut().zip(chances) {
            highest = highest.max(chance);
            let value = f64::from(self.devices) * f64::from(WHOLE) * 1000.0;
            let price = ((highest * STEPS).round() / STEPS * value) as i64;
            changed |= price != tier.price;
            tier.price = price;
        }
        self.is_priced = self.tiers.iter().any(|tier| tier.price > 0);
        changed
    }
}

/// The probability that the demand is at least `least` where `mean` is expected: Poisson, wider by what isn't known of
/// its mean, which was learned from pods of which `ahead` times as many are still to come.
fn at_least(mean: f64, least: f64, ahead: f64) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    if mean > 200.0 || least > 400.0 || ahead > 0.0 {
        return normal_tail((least - 0.5 - mean) / (mean * (1.0 + ahead)).sqrt());
    }
    let (mut term, mut below, mut i) = ((-mean).exp(), 0.0, 0.0);
    while i < least {
        below += term;
        i += 1.0;
        term *= mean / i;
    }
    (1.0 - below).max(0.0)
}

/// The probability that a normal variable is over `z` deviations, by the logistic curve (within 0.01).
fn normal_tail(z: f64) -> f64 {
    1.0 / (1.0 + (1.702 * z).exp())
}
