use std::fmt;

use serde_json::Value;

/// An amount of money in hundredths of the fleet's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::demo) struct Cents(pub(in crate::demo) u64);

impl Cents {
    /// Reads an amount with at most two decimals, as `2`, `2.9` or `2.99`; `None` if it is none or overflows.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
            return None;
        }
        let hundredths: u64 = decimals.parse().ok()?;
        let hundredths = if decimals.len() == 1 { hundredths * 10 } else { hundredths };
        whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths).map(Self)
    }

    /// The amount's share of one of `quantity` units, rounded half up. A quantity of 0 counts as 1.
    pub(super) fn per_unit(self, quantity: u32) -> Self {
        let quantity = u64::from(quantity.max(1));
        Self(self.0.saturating_add(quantity / 2) / quantity)
    }

    /// As a document has it: a number of the currency.
    pub(in crate::demo) fn to_json(self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^53 hundredths")]
        let amount = self.0 as f64 / 100.0;
        Value::from(amount)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, cents) in [("0", 0), ("2", 200), ("3.0", 300), ("2.9", 290), ("2.09", 209), ("0.50", 50)] {
            assert_eq!(Cents::parse(text), Some(Cents(cents)), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1.234", "1e3", "nan", "1,5", "18446744073709551615"] {
            assert_eq!(Cents::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_unit_costs_its_share_rounded() {
        assert_eq!(Cents(100).per_unit(3), Cents(33));
        assert_eq!(Cents(200).per_unit(3), Cents(67));
        assert_eq!(Cents(5).per_unit(2), Cents(3));
        assert_eq!(Cents(0).per_unit(1), Cents(0));
    }

    #[test]
    fn an_amount_is_shown_and_written_with_its_decimals() {
        assert_eq!(Cents(209).to_string(), "2.09");
        assert_eq!(Cents(209).to_json().to_string(), "2.09");
    }
}
