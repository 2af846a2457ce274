//! How the floor reaches the databases: on SQLite each HTTP worker reads where it is and one thread commits together
//! what is waiting; to PostgreSQL a few threads with a connection each. The product does it in the same way, so that
//! what is compared is what it does besides.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Bytes;
use diesel::sql_types::{BigInt, Integer, Text};
use tokio::sync::oneshot;

use super::template::Template;
use crate::database::{Connection, Value};
use crate::workload::SEARCHED;

/// How many creates may share a commit, as in the product.
const SHARED_COMMIT: usize = 512;

/// A resource as it goes out.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) body: String,
}

type Created = Result<(String, Bytes), String>;
type Task = Box<dyn FnOnce(&mut Connection) + Send>;

/// What all workers share.
#[derive(Clone)]
pub(super) struct Store {
    url: String,
    durability: String,
    known: Arc<Known>,
    writer: Sender<oneshot::Sender<Created>>,
    tasks: Option<Sender<Task>>,
}

/// A search of the workload.
pub(super) enum Asked {
    /// 20 blood pressures of a patient, the latest first.
    Page(String),
    /// The same, where the patient is of a gender.
    Chain(String),
    /// The same, and the patient.
    Include(String),
    /// All weights of a patient, the first first.
    Trend(String),
    /// The patient whom an Observation with an identifier is about.
    Has(String),
    /// The Observation with an identifier.
    Token(String),
}

impl Asked {
    /// Told from what the workload asks.
    pub(super) fn read(path: &str, query: &str) -> Asked {
        let part =
            |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)).unwrap_or_default().to_owned();
        let patient = part("patient=");
        let identifier = || {
            let value = query.rsplit_once("%7C").map_or("", |(_, value)| value);
            format!("{value}{}urn:example:home-monitor", concord_fhir::index::SEPARATOR)
        };
        match () {
            () if path.ends_with("/Patient") => Asked::Has(identifier()),
            () if query.starts_with("identifier=") => Asked::Token(identifier()),
            () if query.contains("gender=") => Asked::Chain(patient),
            () if query.contains("_include=") => Asked::Include(patient),
            () if query.contains("date=ge") => Asked::Trend(patient),
            () => Asked::Page(patient),
        }
    }
}

/// What is looked up once.
struct Known {
    observation: i16,
    code: i32,
    date: i32,
    gender: i32,
    identifier: i32,
    subject: i32,
    key: String,
    template: Template,
}

/// What one HTTP worker has.
pub(super) struct Worker {
    known: Arc<Known>,
    reader: Option<RefCell<Connection>>,
    writer: Sender<oneshot::Sender<Created>>,
    tasks: Option<Sender<Task>>,
}

impl Store {
    pub(super) fn open(url: &str, durability: &str, connections: usize) -> Result<Store, String> {
        let mut connection = Connection::open(url, durability)?;
        let known = Arc::new(Known::read(&mut connection)?);
        let (writer, waiting) = channel();
        let tasks = if url.starts_with("sqlite:") {
            let known = Arc::clone(&known);
            std::thread::spawn(move || commit_loop(connection, &known.template, &waiting));
            None
        } else {
            let (tasks, receiver) = channel::<Task>();
            let receiver = Arc::new(Mutex::new(receiver));
            for _ in 0..connections {
                let mut connection = Connection::open(url, durability)?;
                let receiver = Arc::clone(&receiver);
                std::thread::spawn(move || {
                    loop {
                        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(task) = next else { return };
                        task(&mut connection);
                    }
                });
            }
            Some(tasks)
        };
        Ok(Store { url: url.to_owned(), durability: durability.to_owned(), known, writer, tasks })
    }

    /// The part of one HTTP worker.
    pub(super) fn worker(&self) -> Worker {
        let reader = if self.tasks.is_some() {
            None
        } else {
            Connection::open(&self.url, &self.durability).ok().map(RefCell::new)
        };
        Worker { known: Arc::clone(&self.known), reader, writer: self.writer.clone(), tasks: self.tasks.clone() }
    }
}

fn commit_loop(mut connection: Connection, template: &Template, waiting: &Receiver<oneshot::Sender<Created>>) {
    while let Ok(first) = waiting.recv() {
        let mut all = vec![first];
        while all.len() < SHARED_COMMIT {
            let Ok(next) = waiting.try_recv() else { break };
            all.push(next);
        }
        let begun = connection.run("BEGIN IMMEDIATE", Vec::new());
        let done: Vec<Created> = all.iter().map(|_| template.write(&mut connection)).collect();
        let committed = begun.and_then(|()| connection.run("COMMIT", Vec::new()));
        for (reply, created) in all.into_iter().zip(done) {
            let _gone = reply.send(committed.clone().and(created));
        }
    }
}

impl Worker {
    /// The current version, or one of that number.
    pub(super) async fn read(&self, id: String, version: Option<i64>) -> Result<Option<Found>, String> {
        let known = Arc::clone(&self.known);
        self.on_connection(move |connection| known.one(connection, id, version)).await
    }

    /// What a search finds.
    pub(super) async fn page(&self, asked: Asked) -> Result<Vec<Found>, String> {
        let known = Arc::clone(&self.known);
        self.on_connection(move |connection| known.page(connection, asked)).await
    }

    /// Writes the rows of a create; its id and body.
    pub(super) async fn create(&self) -> Created {
        if self.tasks.is_some() {
            let known = Arc::clone(&self.known);
            return self
                .on_connection(move |connection| {
                    connection.batch("BEGIN")?;
                    let created = known.template.write(connection)?;
                    connection.batch("COMMIT")?;
                    Ok(created)
                })
                .await;
        }
        let (reply, wait) = oneshot::channel();
        self.writer.send(reply).map_err(|_| "the writer has stopped".to_owned())?;
        wait.await.map_err(|_| "the writer has stopped".to_owned())?
    }

    async fn on_connection<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        if let Some(reader) = &self.reader {
            return work(&mut reader.borrow_mut());
        }
        let tasks = self.tasks.as_ref().ok_or("no reader")?;
        let (reply, wait) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            let _gone = reply.send(work(connection));
        });
        tasks.send(task).map_err(|_| "the pool has stopped".to_owned())?;
        wait.await.map_err(|_| "the pool has stopped".to_owned())?
    }
}

impl Known {
    /// What the page query needs: the numbers of its parameters, taken from an Observation's own entries.
    fn read(connection: &mut Connection) -> Result<Known, String> {
        let example = super::example();
        let observation = connection
            .rows::<(Integer, BigInt), (i32, i64)>(
                "SELECT CAST(type AS INTEGER), rid FROM resource WHERE id = ?",
                vec![Value::Text(example.clone())],
            )?
            .pop()
            .ok_or("the database has not been loaded")?;
        let code = concord_fhir::index::ParameterId::of("Observation.code").0;
        let date = concord_fhir::index::ParameterId::of("Observation.date").0;
        let [gender, identifier, subject] = ["Patient.gender", "Observation.identifier", "Observation.patient"]
            .map(|name| concord_fhir::index::ParameterId::of(name).0);
        let key = format!("{SEARCHED}{}http://loinc.org", concord_fhir::index::SEPARATOR);
        let template = Template::read(connection, &example)?;
        Ok(Known {
            observation: i16::try_from(observation.0).unwrap_or_default(),
            code,
            date,
            gender,
            identifier,
            subject,
            key,
            template,
        })
    }

    fn one(&self, connection: &mut Connection, id: String, version: Option<i64>) -> Result<Option<Found>, String> {
        type Columns = (Text, BigInt, Text);
        type Row = (String, i64, String);
        const CURRENT: &str = "SELECT id, version, body FROM resource WHERE type = ? AND id = ?";
        const EXACT: &str = "SELECT id, version, body FROM resource WHERE type = ? AND id = ? AND version = ?";
        let mut values = vec![Value::Small(self.observation), Value::Text(id)];
        let text = match version {
            None => CURRENT,
            Some(version) => {
                values.push(Value::Big(version));
                EXACT
            }
        };
        Ok(connection.rows::<Columns, Row>(text, values)?.pop().map(found))
    }

    fn page(&self, connection: &mut Connection, asked: Asked) -> Result<Vec<Found>, String> {
        const PAGE: &str = "SELECT r.id, r.version, r.body FROM entry c JOIN entry d ON d.resource = c.resource AND \
             d.parameter = ? JOIN resource r ON r.rid = c.resource WHERE c.parameter = ? AND c.key <> '' AND c.key = ? \
             AND c.patient = (SELECT key FROM patient WHERE id = ?) AND r.deleted = 0 ORDER BY d.high DESC, r.rid ASC \
             LIMIT 20";
        const CHAIN: &str = "SELECT r.id, r.version, r.body FROM entry c JOIN entry d ON d.resource = c.resource AND \
             d.parameter = ? JOIN resource r ON r.rid = c.resource WHERE c.parameter = ? AND c.key <> '' AND c.key = ? \
             AND c.patient = (SELECT key FROM patient WHERE id = ?) AND r.deleted = 0 AND EXISTS (SELECT 1 FROM \
             resource p JOIN entry g ON g.resource = p.rid WHERE p.type = ? AND p.id = ? AND g.parameter = ? AND \
             g.key = ?) ORDER BY d.high DESC, r.rid ASC LIMIT 20";
        const TREND: &str = "SELECT r.id, r.version, r.body FROM entry c JOIN entry d ON d.resource = c.resource AND \
             d.parameter = ? JOIN resource r ON r.rid = c.resource WHERE c.parameter = ? AND c.key <> '' AND c.key = ? \
             AND c.patient = (SELECT key FROM patient WHERE id = ?) AND r.deleted = 0 ORDER BY d.low, r.rid LIMIT 500";
        const OF_ID: &str = "SELECT id, version, body FROM resource WHERE type = ? AND id = ?";
        const TOKEN: &str = "SELECT r.id, r.version, r.body FROM entry c JOIN resource r ON r.rid = c.resource WHERE \
             c.parameter = ? AND c.key <> '' AND c.key = ? AND r.deleted = 0 LIMIT 51";
        const HAS: &str = "SELECT r.id, r.version, r.body FROM entry c JOIN entry s ON s.resource = c.resource AND \
             s.parameter = ? JOIN resource r ON r.type = ? AND r.id = substr(s.key, 9) WHERE c.parameter = ? AND c.key \
             <> '' AND c.key = ? AND r.deleted = 0 LIMIT 51";
        type Columns = (Text, BigInt, Text);
        type Row = (String, i64, String);
        let patients = concord_fhir::registry::ResourceType::of("Patient").number();
        // A code without a system of its own.
        let gender = || Value::Text(format!("unknown{}", concord_fhir::index::SEPARATOR));
        let of_code = |key: String, patient: String| {
            vec![Value::Int(self.date), Value::Int(self.code), Value::Text(key), Value::Text(patient)]
        };
        let (text, values) = match asked {
            Asked::Page(patient) => (PAGE, of_code(self.key.clone(), patient)),
            Asked::Chain(patient) => {
                let mut values = of_code(self.key.clone(), patient.clone());
                values.extend([Value::Small(patients), Value::Text(patient), Value::Int(self.gender), gender()]);
                (CHAIN, values)
            }
            Asked::Include(patient) => {
                let mut found = self.page(connection, Asked::Page(patient.clone()))?;
                let values = vec![Value::Small(patients), Value::Text(patient)];
                found.extend(connection.rows::<Columns, Row>(OF_ID, values)?.into_iter().map(self::found));
                return Ok(found);
            }
            Asked::Trend(patient) => (TREND, of_code(self.key.replace(SEARCHED, "29463-7"), patient)),
            Asked::Has(key) => {
                let values = vec![
                    Value::Int(self.subject),
                    Value::Small(patients),
                    Value::Int(self.identifier),
                    Value::Text(key),
                ];
                (HAS, values)
            }
            Asked::Token(key) => (TOKEN, vec![Value::Int(self.identifier), Value::Text(key)]),
        };
        Ok(connection.rows::<Columns, Row>(text, values)?.into_iter().map(found).collect())
    }
}

fn found((id, version, body): (String, i64, String)) -> Found {
    Found { id, version, body }
}
