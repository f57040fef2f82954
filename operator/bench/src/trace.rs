//! The published formats: nodes, pods, and the order in which pods arrive.

use std::{collections::HashMap, path::Path};

use eai_core::placement::pack::{MOST_DEVICES, Models, Shape, State, WHOLE};

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It couldn't be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}, line {line}: {what}")]
    Line {
        /// The file.
        path: String,
        /// Its number, from 1.
        line: usize,
        /// What is wrong, with the column.
        what: String,
    },
}

/// A cluster, a workload and an order of arrival.
#[derive(Debug)]
pub struct Trace {
    /// Nodes with nothing on them, and the rank of each in ties.
    pub nodes: Vec<(State, u32)>,
    /// Every pod of the workload, sorted by name.
    pub pods: Vec<Shape>,
    /// Which pods arrive, in order.
    pub arrivals: Vec<u32>,
}

impl Trace {
    /// Reads the three files.
    pub fn read(nodes: &Path, pods: &Path, arrivals: &Path) -> Result<Self, TraceError> {
        let mut models = HashMap::new();
        let states = self::nodes(nodes, &mut models)?;
        let pods = self::pods(pods, &models)?;
        let (arrivals, ranks) = self::arrivals(arrivals, pods.len(), states.len())?;
        Ok(Self { nodes: states.into_iter().zip(ranks).collect(), pods, arrivals })
    }

    /// Reads a workload of a folder, with its first order of arrival.
    pub fn of_folder(data: &Path, workload: &str) -> Result<Self, TraceError> {
        let arrivals = data.join("arrivals").join(format!("{workload}_42.txt"));
        Self::read(&data.join("nodes.csv"), &data.join("pods").join(format!("{workload}.csv")), &arrivals)
    }

    /// What all accelerators hold, in thousandths.
    pub fn capacity_milli(&self) -> u64 {
        self.nodes.iter().map(|(state, _)| u64::from(state.free_milli())).sum()
    }
}

/// One CSV file, by column name. The published files quote nothing.
struct Table {
    path: String,
    columns: HashMap<String, usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, TraceError> {
        let text = read(path)?;
        let mut lines = text.lines().map(|line| line.split(',').map(|f| f.trim().to_owned()).collect::<Vec<_>>());
        let columns = lines.next().unwrap_or_default().into_iter().enumerate().map(|(i, name)| (name, i)).collect();
        let rows = lines.filter(|row| row.iter().any(|f| !f.is_empty())).collect();
        Ok(Self { path: path.display().to_string(), columns, rows })
    }

    fn text(&self, row: usize, column: &str) -> Result<&str, TraceError> {
        let at = self.columns.get(column).ok_or_else(|| self.error(0, format!("there is no column {column}")))?;
        self.rows[row].get(*at).map(String::as_str).ok_or_else(|| self.error(row + 1, format!("{column} is missing")))
    }

    fn number<T: TryFrom<u64>>(&self, row: usize, column: &str) -> Result<T, TraceError> {
        let text = self.text(row, column)?;
        // Some published columns are whole numbers written as decimals.
        let whole = text.strip_suffix(".0").unwrap_or(text);
        let number = whole.parse().ok().and_then(|n: u64| T::try_from(n).ok());
        number.ok_or_else(|| self.error(row + 1, format!("{column} is {text:?}, not a number in its range")))
    }

    fn error(&self, row: usize, what: String) -> TraceError {
        TraceError::Line { path: self.path.clone(), line: row + 1, what }
    }
}

fn read(path: &Path) -> Result<String, TraceError> {
    std::fs::read_to_string(path).map_err(|error| TraceError::Read { path: path.display().to_string(), error })
}

fn nodes(path: &Path, models: &mut HashMap<String, u8>) -> Result<Vec<State>, TraceError> {
    let table = Table::read(path)?;
    let node = |row| {
        let devices: u8 = table.number(row, "gpu")?;
        if usize::from(devices) > MOST_DEVICES {
            return Err(table.error(row + 1, format!("gpu is {devices}, more than {MOST_DEVICES}")));
        }
        let model = table.text(row, "model")?.to_owned();
        let next = u8::try_from(models.len()).ok().filter(|&n| n < 64);
        let known = models.get(&model).copied().or(next);
        let number = known.ok_or_else(|| table.error(row + 1, "more than 64 models".to_owned()))?;
        models.insert(model, number);
        Ok(State::new(table.number(row, "cpu_milli")?, table.number(row, "memory_mib")?, number, devices))
    };
    (0..table.rows.len()).map(node).collect()
}

fn pods(path: &Path, models: &HashMap<String, u8>) -> Result<Vec<Shape>, TraceError> {
    let table = Table::read(path)?;
    let pod = |row| {
        let devices: u8 = table.number(row, "num_gpu")?;
        let share_milli: u16 = if devices == 0 { 0 } else { table.number(row, "gpu_milli")? };
        let allowed = if devices == 1 { 0..=WHOLE } else { WHOLE..=WHOLE };
        if devices > 0 && !allowed.contains(&share_milli) {
            return Err(table.error(row + 1, format!("gpu_milli is {share_milli} for {devices} accelerators")));
        }
        let spec = table.text(row, "gpu_spec")?;
        let bits = spec.split('|').filter_map(|m| models.get(m)).fold(0u64, |bits, model| bits | 1 << model);
        let models = if spec.is_empty() || devices == 0 { Models::ANY } else { Models(bits) };
        let (cpu_milli, memory_mib) = (table.number(row, "cpu_milli")?, table.number(row, "memory_mib")?);
        Ok((table.text(row, "name")?.to_owned(), Shape { cpu_milli, memory_mib, devices, share_milli, models }))
    };
    let mut pods = (0..table.rows.len()).map(pod).collect::<Result<Vec<_>, TraceError>>()?;
    pods.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(pods.into_iter().map(|(_, shape)| shape).collect())
}

/// The order of arrival, and each node's rank.
fn arrivals(path: &Path, pods: usize, nodes: usize) -> Result<(Vec<u32>, Vec<u32>), TraceError> {
    let text = read(path)?;
    let error = |line, what| TraceError::Line { path: path.display().to_string(), line, what };
    let numbers = |line: usize, below: usize| -> Result<Vec<u32>, TraceError> {
        let parse = |word: &str| match word.parse::<u32>() {
            Ok(n) if (n as usize) < below => Ok(n),
            _ => Err(error(line, format!("{word:?} is not a number below {below}"))),
        };
        text.lines().nth(line - 1).unwrap_or_default().split_whitespace().map(parse).collect()
    };
    let (order, ranks) = (numbers(1, pods)?, numbers(2, nodes)?);
    if ranks.len() != nodes {
        return Err(error(2, format!("{} ranks for {nodes} nodes", ranks.len())));
    }
    Ok((order, ranks))
}
