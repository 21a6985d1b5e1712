//! The refusal of a policy as a `Status`: sentences for people, one cause a rule for machines.

use ridgeway_cluster::{Cause, Reason, Refusal, Status};

use super::Change;

/// All of them at once, in the order of the fields that they are about.
pub(super) fn status(change: &Change<'_>, refusals: &[Refusal]) -> Status {
    let mut refusals: Vec<&Refusal> = refusals.iter().collect();
    refusals.sort_by(|a, b| a.path.cmp(&b.path));
    let sentences: Vec<String> = refusals.iter().map(|refusal| sentence(refusal)).collect();
    let causes = refusals.iter().map(|refusal| cause(refusal)).collect();
    let message = sentences.join("\n");
    let (group, plural) = (&change.kind.gvk.group, &change.kind.plural);
    // Policies of Kubernetes' own choose the reason; where others refuse too, it is forbidden.
    let chosen = refusals.first().and_then(|refusal| refusal.reason);
    match chosen.filter(|_| refusals.iter().all(|refusal| refusal.reason.is_some())) {
        Some(reason) => {
            let said = Status::forbidden(group, plural, &change.name, &message).message;
            Status::new(reason, said)
        }
        None => Status::new(Reason::Forbidden, message),
    }
    .about(group, plural, &change.name)
    .with_causes(causes)
}

/// `message (policy p, rule r, at spec.x) Remedy: …`
fn sentence(refusal: &Refusal) -> String {
    if refusal.reason.is_some() {
        return refusal.message.clone();
    }
    let mut notes = vec![format!("policy {}", refusal.policy)];
    if !refusal.rule.is_empty() {
        notes.push(format!("rule {}", refusal.rule));
    }
    if !refusal.path.is_empty() {
        notes.push(format!("at {}", refusal.path));
    }
    let mut text = format!("{} ({})", refusal.message, notes.join(", "));
    if !refusal.remedy.is_empty() && !refusal.message.contains(&refusal.remedy) {
        text.push_str(&format!(" Remedy: {}", refusal.remedy));
    }
    text
}

fn cause(refusal: &Refusal) -> Cause {
    let rule = if refusal.rule.is_empty() {
        String::new()
    } else {
        format!("/{}", refusal.rule)
    };
    let remedy = if refusal.remedy.is_empty() {
        String::new()
    } else {
        format!(" {}", refusal.remedy)
    };
    Cause {
        reason: format!("{}{rule}", refusal.policy),
        message: format!("{}{remedy}", refusal.message),
        field: refusal.path.clone(),
    }
}
