use serde_json::Value;
use tests::program;

#[test]
fn the_main_job_ends_with_every_document_equal() {
    let report = program::run_well(["demo", "--json", "--shops", "4", "--pace", "4", "--seed", "7"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    let units = &report["units"];
    assert_eq!((&units["hub"], &units["shops"]), (&units["expected"], &units["expected"]));
    assert!(units["expected"].as_u64().unwrap() > 2_500, "{units}");
    let differences = [&report["stock"]["different"], &report["catalog"]["different"]];
    assert_eq!(differences, [0, 0]);
    // It proves something only if something happened.
    assert!(report["kills"].as_u64().unwrap() >= 1 && report["units_while_cut"].as_u64().unwrap() > 0);
}
