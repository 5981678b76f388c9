fn plan() -> Vec<(String, u32, u32)> {
    let mut out = Vec::new();
    let guests = vec![
        ("guest01", 1, "veg", 4), ("guest02", 1, "fish", 4), ("guest03", 2, "veg", 2),
        ("guest04", 2, "meat", 2), ("guest05", 3, "meat", 7), ("guest06", 3, "meat", 7),
        ("guest07", 3, "veg", 7), ("guest08", 1, "fish", 1), ("guest09", 2, "veg", 9),
        ("guest10", 2, "veg", 9), ("guest11", 1, "meat", 3), ("guest12", 3, "fish", 3),
        ("guest13", 1, "veg", 8), ("guest14", 2, "meat", 8), ("guest15", 3, "veg", 5),
        ("guest16", 3, "fish", 5), ("guest17", 1, "meat", 6), ("guest18", 2, "meat", 6),
    ];
    let mut t1 = 0;
    let mut t2 = 0;
    let mut t3 = 0;
    let mut t4 = 0;
    for g in &guests {
        if g.0 == "guest05" || g.0 == "guest06" {
            t4 += 1;
            out.push((g.0.to_string(), 4, t4));
        } else if g.0 == "guest11" {
            t1 += 1;
            out.push((g.0.to_string(), 1, t1));
        } else if g.2 == "veg" && g.1 == 1 {
            t1 += 1;
            out.push((g.0.to_string(), 1, t1));
        } else if g.2 == "veg" && g.1 == 2 && t2 < 6 {
            t2 += 1;
            out.push((g.0.to_string(), 2, t2));
        } else if g.2 == "fish" && g.3 != 3 {
            if t1 < 6 {
                t1 += 1;
                out.push((g.0.to_string(), 1, t1));
            } else {
                t3 += 1;
                out.push((g.0.to_string(), 3, t3));
            }
        } else if g.3 == 8 || g.3 == 6 {
            t2 += 1;
            out.push((g.0.to_string(), 2, t2));
        } else {
            t3 += 1;
            out.push((g.0.to_string(), 3, t3));
        }
    }
    out
}

fn cost(menu: &str, day: u32) -> f64 {
    let p = if menu == "veg" { 21.5 } else if menu == "fish" { 28.9 } else { 26.0 };
    let w = if day == 1 { 9.0 } else if day == 2 { 11.5 } else { 14.0 };
    if menu == "fish" && day == 3 {
        p + w + 3.3
    } else {
        p + w
    }
}

fn main() {
    let seats = plan();
    for s in &seats {
        println!("{} -> table {} seat {}", s.0, s.1, s.2);
    }
    let total = cost("veg", 1) * 2.0 + cost("veg", 2) * 3.0 + cost("veg", 3) * 2.0
        + cost("fish", 1) * 2.0 + cost("fish", 3) * 2.0
        + cost("meat", 1) * 2.0 + cost("meat", 2) * 3.0 + cost("meat", 3) * 2.0;
    println!("total {}", total);
    if total > 700.0 {
        println!("too expensive, call 555-0143");
    }
    let hall = 1450.0;
    let music = 600.0;
    let flowers = 18.0 * 4.0 + 35.0;
    println!("all {}", total + hall + music + flowers + 120.0);
    println!("each {}", (total + hall + music + flowers + 120.0) / 18.0);
}
