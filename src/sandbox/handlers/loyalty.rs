//! Rewards, benefits and tiers of a profile, and redeeming them.

use serde_json::{Value, json};

use super::items::{self, is_named};
use crate::sandbox::call::{Call, text};
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::store::{Store, object};
use crate::sandbox::validate::{Errors, invalid};

pub(crate) fn balances(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(store.named_profile(call)?.balances()))
}

/// `POST …/redeem {amount}`: dollars off the rewards, oldest first.
pub(crate) fn redeem(store: &mut Store, call: &Call) -> Outcome {
    let owner = store.named_id(call)?;
    let mut errors = Errors::default();
    errors.require(&call.input, &["amount"]);
    errors.check()?;
    let amount = call
        .text("amount")
        .and_then(|amount| amount.parse::<f64>().ok());
    let Some(amount) = amount.filter(|amount| amount.is_finite() && *amount > 0.0) else {
        return Err(invalid("amount", "The amount must be greater than 0."));
    };
    let context = store.context(&owner);
    let profile = store.named_profile_mut(call)?;
    let balance = profile
        .balances()
        .get("reward_balance")
        .and_then(Value::as_f64)
        .unwrap_or_default();
    if amount > balance {
        return Err(invalid(
            "amount",
            "The amount may not be greater than the balance.",
        ));
    }
    let mut due = amount;
    for reward in profile.collections.entry("rewards").or_default() {
        let left = reward
            .get("value_remaining")
            .and_then(Value::as_f64)
            .unwrap_or_default();
        let used = left.min(due);
        due -= used;
        if used > 0.0 {
            items::change(
                reward,
                &object(Some(&json!({ "value_remaining": left - used }))),
                &context.now,
            );
        }
    }
    let redemption = json!({
        "id": context.number,
        "profile_id": owner,
        "amount": amount,
        "created_at": context.now,
        "updated_at": context.now,
    });
    profile
        .collections
        .entry("redemptions")
        .or_default()
        .push(redemption.clone());
    let mut shown = object(Some(&redemption));
    shown.insert("balances".to_owned(), profile.balances());
    Ok(SandboxResponse::data(shown))
}

/// `POST …/benefits/{id}/redeem`: once.
pub(crate) fn redeem_benefit(store: &mut Store, call: &Call) -> Outcome {
    let now = store.clock.timestamp();
    let items = store
        .named_profile_mut(call)?
        .collections
        .entry("benefits")
        .or_default();
    let matched = items
        .iter_mut()
        .find(|benefit| is_named(benefit, call.param(1)));
    let benefit = matched.ok_or_else(|| SandboxResponse::no_record("Benefit"))?;
    if benefit.get("status").and_then(Value::as_str) == Some("redeemed") {
        return Err(invalid("benefit", "The benefit has already been redeemed."));
    }
    let spent = json!({ "status": "redeemed", "redeemed_at": now, "value_remaining": 0 });
    items::change(benefit, &object(Some(&spent)), &now);
    Ok(SandboxResponse::data(benefit.clone()))
}

pub(crate) fn current_tier(store: &mut Store, call: &Call) -> Outcome {
    let tier = store.named_profile(call)?.list("tiers").last().cloned();
    Ok(SandboxResponse::data(tier.unwrap_or_default()))
}

/// `POST …/tiers/assign`: by handle or by number; a handle that is new to the profile becomes its
/// tier.
pub(crate) fn assign_tier(store: &mut Store, call: &Call) -> Outcome {
    let requested = ["tier_id", "tier_handle", "handle", "id"]
        .into_iter()
        .find_map(|name| call.text(name));
    let requested =
        requested.ok_or_else(|| invalid("tier_id", "The tier id field is required."))?;
    let owner = store.named_id(call)?;
    let context = store.context(&owner);
    let items = store
        .named_profile_mut(call)?
        .collections
        .entry("tiers")
        .or_default();
    let existing = items
        .iter()
        .position(|tier| is_named(tier, &requested))
        .map(|position| items.remove(position));
    let tier = existing.unwrap_or_else(|| {
        json!({
            "id": context.number, "profile_id": owner, "handle": requested, "name": requested,
            "created_at": context.now, "updated_at": context.now,
        })
    });
    items.push(tier.clone());
    Ok(SandboxResponse::data(tier))
}

pub(crate) fn aggregations(store: &mut Store, call: &Call) -> Outcome {
    let profile = store.named_profile(call)?;
    let transactions = profile.list("transactions");
    let totals = transactions
        .iter()
        .filter_map(|transaction| transaction.get("total")?.as_f64());
    Ok(SandboxResponse::data(json!({
        "profile_id": profile.id,
        "transaction_count": transactions.len(),
        "total_spend": totals.fold(0.0, |sum, total| sum + total),
    })))
}

/// Transactions by their number at the till, given as `external_id` or `receipt_ref`.
pub(crate) fn find_transactions(store: &mut Store, call: &Call) -> Outcome {
    let requested = call
        .text("external_id")
        .or_else(|| call.text("receipt_ref"));
    let all = store.named_profile(call)?.list("transactions").iter();
    let matched = all.filter(|transaction| {
        requested.is_none() || transaction.get("external_id").and_then(text) == requested
    });
    Ok(SandboxResponse::data(matched.cloned().collect::<Vec<_>>()))
}
