use super::Item;
use futures_util::future::join_all;
use isle_client::{CallError, Client, Connection, Document};
use serde_json::json;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// Shops, each a process.
const SHOPS: usize = 8;
/// Tills of all shops.
const CLIENTS: usize = 64;
/// Sales of each till.
const SALES: usize = 6;
/// How often each shop is killed meanwhile.
const KILLS: usize = 2;
/// What of the stock may be promised at each shop: less than is asked for.
const SELLABLE: u64 = 40;

/// Tills sell while their shops and their hub are killed and answers are lost on purpose. Each sale is sent until it is
/// answered, under its key: what was said to be sold is what is counted, at the shop and at the hub, and nothing is promised
/// twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sale_of_a_storm_counts_once() {
    let fleet = Fleet::new();
    let mut hub = hub(&fleet);
    let address = hub.status().await.address;
    stays_at(&hub, &address);
    let mut shops: Vec<Process> = (0..SHOPS).map(|number| shop(&fleet, number, &address)).collect();
    let clients: Vec<Client> = shops.iter().map(losing_client_of).collect();
    for (client, number) in clients.iter().zip(0..) {
        let milk = milk(client, number);
        milk.create(&Item::default()).await.unwrap();
        milk.bounded("/sellable").grant(SELLABLE).await.unwrap();
    }
    let (mut tills, done) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for till in 0..CLIENTS {
        let shop = till % SHOPS;
        let (milk, done) = (milk(&clients[shop], shop), Arc::clone(&done));
        tills.spawn(async move {
            let sold = till_sells(&milk, till).await;
            done.fetch_add(1, Ordering::Relaxed);
            (shop, sold)
        });
    }
    for kill in 0..KILLS {
        // The first time the shops come back to no hub, and go on selling.
        if kill == 0 {
            hub.kill();
        }
        assert!(done.load(Ordering::Relaxed) < CLIENTS, "the storm was over before the shops were killed");
        let restarted = shops.into_iter().map(|mut shop| {
            tokio::task::spawn_blocking(move || {
                shop.kill();
                shop.restart()
            })
        });
        shops = join_all(restarted).await.into_iter().map(Result::unwrap).collect();
        if kill == 0 {
            hub = tokio::task::spawn_blocking(move || hub.restart()).await.unwrap();
        }
    }
    let mut sold = [0_i64; SHOPS];
    while let Some(till) = tills.join_next().await {
        let (shop, count) = till.unwrap();
        sold[shop] += count;
    }
    for (number, client) in clients.iter().enumerate() {
        let item = milk(client, number).get().await.unwrap().unwrap().value;
        assert_eq!(item.on_hand, -sold[number], "shop {number}");
        assert_eq!(
            i64::try_from(item.sellable).unwrap(),
            i64::try_from(SELLABLE).unwrap() - sold[number],
            "shop {number}"
        );
        assert!(item.sellable < 8, "the storm was over before the stock was: {item:?}");
        let sums = [json!(item.on_hand), json!(item.sellable)];
        let at_hub = format!("shop-{number}/inventory/milk");
        eventually_async(DEADLINE * 2, &format!("the hub has {at_hub} = {sums:?}"), async || {
            let value = hub.get(&at_hub).await.unwrap_or_default();
            [&value["on_hand"], &value["sellable"]] == [&sums[0], &sums[1]]
        })
        .await;
    }
    has_all_changes(&hub, &shops).await;
}

/// The hub counts as many changes of each shop as the shop does: none is missing, none is there twice.
async fn has_all_changes(hub: &Process, shops: &[Process]) {
    let changes = async |process: &Process, name: &str| {
        let spaces = process.status().await.spaces;
        spaces.into_iter().find(|space| space.space == name).map(|space| space.changes)
    };
    for (number, shop) in shops.iter().enumerate() {
        let name = format!("shop-{number}");
        let (at_hub, at_shop) = (changes(hub, &name).await, changes(shop, &name).await);
        assert!(at_hub > Some(0) && at_hub == at_shop, "{name}: {at_hub:?} at the hub, {at_shop:?} there");
    }
}

/// A hub for all shops.
fn hub(fleet: &Fleet) -> Process {
    let mut config =
        "name = \"hub\"\nhub = true\nlisten = \"127.0.0.1:0\"\n[spaces]\ncatalog = \"write\"\n".to_owned();
    let shops: Vec<String> = (0..SHOPS).map(|number| format!("shop-{number}")).collect();
    config.extend(shops.iter().map(|shop| format!("{shop} = \"write\"\n")));
    config.extend(shops.iter().map(|shop| {
        let spaces = format!("catalog = {{ read = true }}\n{shop} = {{ read = true, write = true }}\n");
        format!("[peers.{shop}]\n[peers.{shop}.spaces]\n{spaces}")
    }));
    let data = fleet.prepare("hub", &config);
    super::with_schema(&data);
    Process::start(data)
}

/// Where it listens now it listens when it is started again.
fn stays_at(hub: &Process, address: &str) {
    let path = hub.data.join("isle.toml");
    let config = fs::read_to_string(&path).unwrap().replace("127.0.0.1:0", address);
    fs::write(path, config).unwrap();
}

fn shop(fleet: &Fleet, number: usize, hub: &str) -> Process {
    let name = format!("shop-{number}");
    let data = fleet.prepare(&name, &site_config(&name, hub));
    super::with_schema(&data);
    Process::start(data)
}

fn milk(client: &Client, shop: usize) -> Document<Item> {
    client.space(format!("shop-{shop}")).collection("inventory").document("milk")
}

/// A client whose connections lose one answer of three: the shop carries the request out, and the line is cut.
fn losing_client_of(shop: &Process) -> Client {
    let (to, socket) = (shop.data.join("http.sock"), shop.data.join("losing.sock"));
    let listener = UnixListener::bind(&socket).unwrap();
    let answers = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((till, _)) = listener.accept().await {
            tokio::spawn(carry(till, to.clone(), Arc::clone(&answers)));
        }
    });
    Client::connect(Connection::unix(socket).patience(DEADLINE)).unwrap()
}

async fn carry(mut till: UnixStream, to: PathBuf, answers: Arc<AtomicUsize>) -> io::Result<()> {
    let mut shop = UnixStream::connect(to).await?;
    let ((mut asked, mut told), (mut answered, mut asks)) = (till.split(), shop.split());
    let there = tokio::io::copy(&mut asked, &mut asks);
    let back = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = answered.read(&mut bytes).await?;
            if count == 0 || answers.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
                return Ok::<(), io::Error>(());
            }
            told.write_all(&bytes[..count]).await?;
        }
    };
    tokio::select! {
        there = there => there.map(drop),
        back = back => back,
    }
}

/// Sells until it is told that there is nothing left; returns how many.
async fn till_sells(milk: &Document<Item>, till: usize) -> i64 {
    let mut sold = 0;
    for sale in 0..SALES {
        let sell =
            || milk.change().spend("/sellable", 1).increment("/on_hand", -1).key(format!("{till}-{sale}"));
        if sale % 2 == 0 {
            // The till forgets that it asked: whether it was done is not known here.
            let mut asking = Box::pin(sell().into_future());
            let _ = futures_util::poll!(&mut asking);
            drop(asking);
        }
        let first = answered(&sell).await;
        // And once more, as one whose answer was lost.
        assert_eq!(answered(&sell).await, first, "{till}-{sale}");
        sold += i64::from(first);
    }
    sold
}

/// Sends a sale until it is answered; whether it is sold.
async fn answered(sell: &impl Fn() -> isle_client::Change) -> bool {
    loop {
        match sell().await {
            Ok(_) => return true,
            Err(error) if error.is_not_enough() => return false,
            // Patience ended: the shop was away for long.
            Err(CallError::OutcomeUnknown { .. } | CallError::Unreachable { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
