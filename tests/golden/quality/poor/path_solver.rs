use std::collections::HashMap;
use std::fs;

fn main() {
    println!("START");
    let text = fs::read_to_string("map.txt").unwrap();
    println!("text = {}", text);
    let mut grid: Vec<Vec<char>> = Vec::new();
    for line in text.lines() {
        println!("line {:?}", line);
        grid.push(line.chars().collect());
    }
    println!("grid = {:?}", grid);
    println!("grid len {}", grid.len());
    let mut start = (0, 0);
    let mut end = (0, 0);
    for y in 0..grid.len() {
        for x in 0..grid[y].len() {
            println!("x {} y {} c {}", x, y, grid[y][x]);
            if grid[y][x] == 'S' {
                println!("found start!!!");
                start = (x, y);
            }
            if grid[y][x] == 'E' {
                println!("found end!!!");
                end = (x, y);
            }
        }
    }
    println!("start {:?} end {:?}", start, end);
    let mut dist: HashMap<(usize, usize), usize> = HashMap::new();
    dist.insert(start, 0);
    let mut changed = true;
    let mut n = 0;
    while changed {
        println!("---------- round {}", n);
        n += 1;
        changed = false;
        let keys: Vec<(usize, usize)> = dist.keys().cloned().collect();
        println!("keys {:?}", keys);
        for k in keys {
            println!("k = {:?}", k);
            let d = dist.get(&k).unwrap().clone();
            println!("d = {}", d);
            if k.0 > 0 {
                println!("left");
                if grid[k.1][k.0 - 1] != '#' {
                    println!("left is free");
                    let old = dist.get(&(k.0 - 1, k.1)).cloned();
                    println!("old = {:?}", old);
                    if old.is_none() || old.unwrap() > d + 1 {
                        println!("HERE 1");
                        dist.insert((k.0 - 1, k.1), d + 1);
                        changed = true;
                    }
                }
            }
            if k.0 < grid[0].len() - 1 {
                println!("right");
                if grid[k.1][k.0 + 1] != '#' {
                    println!("right is free");
                    let old = dist.get(&(k.0 + 1, k.1)).cloned();
                    println!("old = {:?}", old);
                    if old.is_none() || old.unwrap() > d + 1 {
                        println!("HERE 2");
                        dist.insert((k.0 + 1, k.1), d + 1);
                        changed = true;
                    }
                }
            }
            if k.1 > 0 {
                println!("up");
                if grid[k.1 - 1][k.0] != '#' {
                    let old = dist.get(&(k.0, k.1 - 1)).cloned();
                    println!("old = {:?}", old);
                    if old.is_none() || old.unwrap() > d + 1 {
                        println!("HERE 3");
                        dist.insert((k.0, k.1 - 1), d + 1);
                        changed = true;
                    }
                }
            }
            if k.1 < grid.len() - 1 {
                println!("down");
                if grid[k.1 + 1][k.0] != '#' {
                    let old = dist.get(&(k.0, k.1 + 1)).cloned();
                    println!("old = {:?}", old);
                    if old.is_none() || old.unwrap() > d + 1 {
                        println!("HERE 4");
                        dist.insert((k.0, k.1 + 1), d + 1);
                        changed = true;
                    }
                }
            }
        }
        println!("dist now {:?}", dist);
        println!("changed {}", changed);
    }
    println!("DONE after {} rounds", n);
    println!("result:");
    println!("{}", dist.get(&end).unwrap());
}
