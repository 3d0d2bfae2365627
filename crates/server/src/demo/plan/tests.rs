use std::collections::{BTreeMap, BTreeSet};

use super::super::data::{Basket, Line, Product, Shop};
use super::*;

impl Cut {
    fn contains(&self, at: Duration) -> bool {
        (self.from..self.until).contains(&at)
    }
}

const SEEDS: u64 = 1_000;

/// Calls `check` with the built-in week, each seed and its plan.
fn each_plan(check: impl Fn(&Week, u64, &Plan)) {
    let week = Week::built_in(None).unwrap();
    (0..SEEDS).for_each(|seed| check(&week, seed, &Plan::draw(&week, seed)));
}

#[test]
fn the_same_seed_makes_the_same_plan_and_another_seed_another() {
    let week = Week::built_in(None).unwrap();
    assert_eq!(Plan::draw(&week, 7), Plan::draw(&week, 7));
    let different = (0..20).filter(|seed| Plan::draw(&week, *seed) != Plan::draw(&week, seed + 20)).count();
    assert_eq!(different, 20);
}

#[test]
fn five_of_eight_shops_are_cut_off_one_of_them_twice() {
    each_plan(|week, seed, plan| {
        let counts: Vec<usize> = plan.shops.iter().map(|shop| shop.cuts.len()).collect();
        assert_eq!(counts.iter().filter(|count| **count > 0).count(), 5, "seed {seed}");
        assert_eq!(counts.iter().filter(|count| **count == 2).count(), 1, "seed {seed}");
        for cuts in plan.shops.iter().map(|shop| &shop.cuts) {
            assert!(cuts.windows(2).all(|pair| pair[0].until < pair[1].from), "seed {seed}");
            assert!(cuts.iter().all(|cut| cut.from < cut.until), "seed {seed}");
        }
        let until = plan.shops.iter().flat_map(|shop| &shop.cuts).map(|cut| cut.until).max().unwrap();
        assert!(until <= week.span.mul_f64(1.06), "seed {seed}: {until:?}");
    });
}

#[test]
fn two_long_cuts_overlap_and_something_is_sold_during_each_cut() {
    each_plan(|week, seed, plan| {
        let all: Vec<Cut> = plan.shops.iter().flat_map(|shop| shop.cuts.clone()).collect();
        let long = all.iter().filter(|cut| cut.until - cut.from >= week.span.mul_f64(0.29));
        let middle = week.span.mul_f64(0.45);
        assert_eq!(long.filter(|cut| cut.contains(middle)).count(), 2, "seed {seed}");
        for (shop, plan) in week.shops.iter().zip(&plan.shops) {
            for cut in &plan.cuts {
                assert!(shop.baskets.iter().any(|basket| cut.contains(basket.at)), "seed {seed}");
            }
        }
    });
}

#[test]
fn two_shops_are_killed_in_the_middle_of_a_basket_one_of_them_while_cut_off() {
    each_plan(|week, seed, plan| {
        let mut cut_off = Vec::new();
        for (shop, plan) in week.shops.iter().zip(&plan.shops) {
            if let Some(kill) = plan.kill {
                let basket = &shop.baskets[kill.basket];
                assert!(basket.lines.len() >= 4, "seed {seed}");
                cut_off.push(plan.cuts.iter().any(|cut| cut.contains(basket.at)));
            }
        }
        cut_off.sort_unstable();
        assert_eq!(cut_off, [false, true], "seed {seed}");
    });
}

#[test]
fn prices_change_in_eight_rounds_and_each_change_changes() {
    each_plan(|week, seed, plan| {
        assert_eq!(plan.price_rounds.len(), 8, "seed {seed}");
        assert!(plan.price_rounds.iter().zip(1..).all(|(round, number)| round.number == number));
        assert!(plan.price_rounds.is_sorted_by(|a, b| a.at < b.at), "seed {seed}");
        assert!(plan.price_rounds.last().unwrap().at < week.span, "seed {seed}");
        let mut present: BTreeMap<&Arc<str>, Cents> =
            week.products.iter().map(|(id, product)| (id, product.price)).collect();
        for round in &plan.price_rounds {
            let ids: BTreeSet<&Arc<str>> = round.prices.iter().map(|(id, _)| id).collect();
            assert_eq!(ids.len(), round.prices.len(), "seed {seed}");
            assert!((4..=5).contains(&ids.len()), "seed {seed}");
            for (id, price) in &round.prices {
                let before = present.insert(id, *price);
                assert!(before.is_some_and(|before| before != *price) && price.0 > 0, "seed {seed}");
            }
        }
    });
}

/// The smallest week there is.
fn one_sale() -> Week {
    let product: Arc<str> = "milk".into();
    let line = Line { product: Arc::clone(&product), quantity: 1 };
    let basket = Basket { id: "b".into(), at: Duration::ZERO, lines: vec![line] };
    let sold = [(Arc::clone(&product), 1)].into();
    let milk = Product {
        department: String::new(),
        brand: String::new(),
        category: String::new(),
        name: "MILK".into(),
        size: String::new(),
        price: Cents(0),
    };
    Week {
        start: time::OffsetDateTime::UNIX_EPOCH,
        span: Duration::ZERO,
        shops: vec![Shop { id: "7".into(), baskets: vec![basket], sold }],
        products: [(product, milk)].into(),
    }
}

#[test]
fn the_smallest_week_has_a_plan() {
    let plan = Plan::draw(&one_sale(), 1);
    assert_eq!(plan.shops.len(), 1);
    assert_eq!(plan.shops[0].kill, None);
    assert!(plan.price_rounds.iter().all(|round| round.prices.len() == 1));
}

#[test]
fn fewer_shops_are_cut_off_in_proportion() {
    for (shops, expected) in [(1, 1), (2, 1), (4, 2), (7, 4)] {
        let plan = Plan::draw(&Week::built_in(Some(shops)).unwrap(), 3);
        assert_eq!(plan.shops.iter().filter(|shop| !shop.cuts.is_empty()).count(), expected, "{shops}");
    }
}
